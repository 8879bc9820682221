// A broker in miniature for tests: starts the worker program as the real one does, with pipes, a
// memfd for an arena, and eventfds at their fixed numbers, and speaks frames with it.
//
//   WorkerProcess worker({.mode = v1::GUEST_MODE_PAYLOAD, .program = elf});
//   v1::Finished finished = worker.RunToEnd();
#ifndef HOTCELL_VMM_WORKER_TESTING_WORKER_PROCESS_H_
#define HOTCELL_VMM_WORKER_TESTING_WORKER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "protos/control.pb.h"
#include "vmm-worker/kvm/guest_memory.h"

namespace hotcell::worker::testing {

// Why tests that need KVM cannot run here; empty when they can.
std::string KvmProblem();

struct WorkerOptions {
  v1::GuestMode mode = v1::GUEST_MODE_PAYLOAD;
  std::string program;  // empty: the built-in one
  uint32_t vcpus = 1;
  uint64_t memory_size = 16 << 20;
  uint64_t arena_size = 1 << 20;  // bytes before the program, which lies at the end
  bool log_dirty_pages = false;
  bool forward_doorbells = false;
  uint32_t cpu_seconds = 0;
  uint64_t warm_stride = 0;  // bytes, from the arena's start
  uint64_t warm_size = 0;
  uint64_t warm_later_size = 0;
  v1::Start start;
};

class WorkerProcess {
 public:
  // Starts the worker; it has its Setup, and nothing was read from it yet.
  explicit WorkerProcess(WorkerOptions options);
  // Kills it when it is still there.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // The next frame; nothing at the end of the pipe.
  std::optional<v1::FromWorker> Read();
  void Send(const v1::ToWorker& message);
  // Bytes as they are, for what is not a frame.
  void SendRaw(const std::string& bytes);
  void CloseControl() { control_in_.reset(); }

  // Reads Confined and Ready, sends Start. False, with a test failure, when something else comes.
  bool Start();
  // Sends Stop.
  void Stop();
  // Reads until Finished; Output and Trace frames are collected. A frame that ends the worker some
  // other way is a test failure, with an empty Finished.
  v1::Finished ReadToEnd();
  // Start() and ReadToEnd().
  v1::Finished RunToEnd();
  // Waits for the end of the process: its exit status, or 128 + signal.
  int WaitForExit();

  const std::string& serial() const { return serial_; }
  const std::vector<std::string>& trace() const { return trace_; }
  const std::optional<v1::FromWorker>& last_frame() const { return last_frame_; }
  std::span<std::byte> arena() const { return arena_.bytes(); }
  int doorbell(uint32_t lane) const { return doorbells_[lane].get(); }
  int wake(uint32_t lane) const { return wakes_[lane].get(); }
  pid_t pid() const { return pid_; }  // until WaitForExit()

 private:
  [[noreturn]] void Exec(int control_in, int control_out, int kvm, int arena);

  WorkerOptions options_;
  pid_t pid_ = -1;
  UniqueFd control_in_;   // we write
  UniqueFd control_out_;  // we read
  Mapping arena_;
  std::vector<UniqueFd> doorbells_;
  std::vector<UniqueFd> wakes_;
  std::string serial_;
  std::vector<std::string> trace_;
  std::optional<v1::FromWorker> last_frame_;
};

}  // namespace hotcell::worker::testing

#endif  // HOTCELL_VMM_WORKER_TESTING_WORKER_PROCESS_H_
