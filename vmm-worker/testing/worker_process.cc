#include "vmm-worker/testing/worker_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "base/alignment.h"
#include "guest/abi/abi.h"

namespace hotcell::worker::testing {
namespace {

std::string Frame(const std::string& body) {
  const auto size = static_cast<uint32_t>(body.size());
  std::string frame(sizeof(size), '\0');
  std::memcpy(frame.data(), &size, sizeof(size));
  return frame + body;
}

bool ReadExactly(int fd, void* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = read(fd, static_cast<char*>(data) + done, size - done);
    if (n <= 0) return false;
    done += n;
  }
  return true;
}

uint64_t PageCeiling(uint64_t size) { return AlignUp(size, abi::kPageSize); }

}  // namespace

std::string KvmProblem() {
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) return std::string("/dev/kvm: ") + std::strerror(errno);
  if (ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != 12) return "/dev/kvm has no API version 12";
  const UniqueFd vm(ioctl(kvm.get(), KVM_CREATE_VM, 0));
  return vm.valid() ? "" : std::string("KVM_CREATE_VM: ") + std::strerror(errno);
}

WorkerProcess::WorkerProcess(WorkerOptions options) : options_(std::move(options)) {
  std::array<int, 2> to_worker;
  std::array<int, 2> from_worker;
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(pipe2(to_worker.data(), O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(from_worker.data(), O_CLOEXEC), 0);
  control_in_ = UniqueFd(to_worker[1]);
  control_out_ = UniqueFd(from_worker[0]);
  const UniqueFd worker_in(to_worker[0]);
  const UniqueFd worker_out(from_worker[1]);

  const uint64_t program_offset = options_.arena_size;
  const uint64_t arena_size = program_offset + PageCeiling(options_.program.size());
  const UniqueFd arena(memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(arena.get(), static_cast<off_t>(arena_size)), 0);
  EXPECT_EQ(fcntl(arena.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
  if (arena_size != 0) {
    Result<Mapping> mapping = Mapping::OfFile(arena.get(), arena_size);
    EXPECT_TRUE(mapping.ok());
    arena_ = std::move(*mapping);
    std::memcpy(arena_.bytes().data() + program_offset, options_.program.data(),
                options_.program.size());
  }
  for (uint32_t lane = 0; lane < options_.vcpus; ++lane) {
    doorbells_.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    wakes_.emplace_back(eventfd(0, EFD_CLOEXEC));
  }

  pid_ = fork();
  EXPECT_GE(pid_, 0);
  if (pid_ == 0) Exec(worker_in.get(), worker_out.get(), kvm.get(), arena.get());

  v1::ToWorker message;
  v1::Setup& setup = *message.mutable_setup();
  setup.set_mode(options_.mode);
  setup.set_memory_size(options_.memory_size);
  setup.set_vcpus(options_.vcpus);
  setup.set_arena_size(arena_size);
  setup.set_log_dirty_pages(options_.log_dirty_pages);
  setup.set_forward_doorbells(options_.forward_doorbells);
  setup.set_cpu_seconds(options_.cpu_seconds);
  setup.set_warm_stride(options_.warm_stride);
  setup.set_warm_size(options_.warm_size);
  setup.set_warm_later_size(options_.warm_later_size);
  setup.set_program_offset(program_offset);
  setup.set_program_size(options_.program.size());
  Send(message);
}

// Runs in the child of a process that may have threads: it makes system calls only.
void WorkerProcess::Exec(int control_in, int control_out, int kvm, int arena) {
  constexpr int kHigh = 200;  // above every fixed number
  struct Passed {
    int from;
    int to;
  };
  std::array<Passed, 4 + 2 * abi::kMaxLanes> passed;
  size_t count = 0;
  passed[count++] = {control_in, abi::kFdControlIn};
  passed[count++] = {control_out, abi::kFdControlOut};
  passed[count++] = {kvm, abi::kFdKvm};
  passed[count++] = {arena, abi::kFdArena};
  for (size_t lane = 0; lane < doorbells_.size(); ++lane) {
    const int index = static_cast<int>(lane);
    passed[count++] = {doorbells_[lane].get(), abi::kFdDoorbell + index};
    passed[count++] = {wakes_[lane].get(), abi::kFdWake + index};
  }
  for (size_t i = 0; i < count; ++i) passed[i].from = fcntl(passed[i].from, F_DUPFD, kHigh);
  for (size_t i = 0; i < count; ++i) dup2(passed[i].from, passed[i].to);
  const int null = open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) dup2(null, standard);
  close_range(kHigh, ~0u, 0);
  static char name[] = "hotcell-worker";
  char* arguments[] = {name, nullptr};
  char* environment[] = {nullptr};
  execve(HOTCELL_WORKER_PROGRAM, arguments, environment);
  _exit(127);
}

WorkerProcess::~WorkerProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::optional<v1::FromWorker> WorkerProcess::Read() {
  uint32_t size = 0;
  if (!ReadExactly(control_out_.get(), &size, sizeof(size))) return std::nullopt;
  EXPECT_LE(size, abi::kMaxFrameFromWorker);
  std::string body(size, '\0');
  v1::FromWorker message;
  if (!ReadExactly(control_out_.get(), body.data(), size) || !message.ParseFromString(body)) {
    ADD_FAILURE() << "a broken frame came from the worker";
    return std::nullopt;
  }
  last_frame_ = message;
  return message;
}

void WorkerProcess::Send(const v1::ToWorker& message) {
  SendRaw(Frame(message.SerializeAsString()));
}

void WorkerProcess::SendRaw(const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(control_in_.get(), bytes.data() + done, bytes.size() - done);
    if (n <= 0) return;
    done += n;
  }
}

bool WorkerProcess::Start() {
  for (const auto expected : {v1::FromWorker::kConfined, v1::FromWorker::kReady}) {
    const std::optional<v1::FromWorker> frame = Read();
    if (!frame || frame->message_case() != expected) {
      ADD_FAILURE() << "expected frame " << expected << ", got "
                    << (frame ? frame->message_case() : 0) << ": "
                    << (frame && frame->has_failure()
                            ? v1::Step_Name(frame->failure().step()) + ": " +
                                  frame->failure().detail() + " (" +
                                  std::strerror(frame->failure().error()) + ")"
                            : "")
                    << (frame && frame->has_violation()
                            ? " system call " + std::to_string(frame->violation().syscall())
                            : "");
      return false;
    }
  }
  v1::ToWorker message;
  *message.mutable_start() = options_.start;
  Send(message);
  return true;
}

void WorkerProcess::Stop() {
  v1::ToWorker message;
  message.mutable_stop()->set_reason(v1::STOP_REASON_CANCELLED);
  Send(message);
}

v1::Finished WorkerProcess::ReadToEnd() {
  while (true) {
    const std::optional<v1::FromWorker> frame = Read();
    if (!frame) break;
    if (frame->has_finished()) return frame->finished();
    if (frame->has_output()) {
      serial_ += frame->output().serial();
    } else if (frame->has_trace()) {
      trace_.push_back(frame->trace().text());
    } else {
      ADD_FAILURE() << "unexpected frame " << frame->message_case() << ", system call "
                    << frame->violation().syscall();
      return {};
    }
  }
  ADD_FAILURE() << "the worker ended without Finished, status " << WaitForExit();
  return {};
}

v1::Finished WorkerProcess::RunToEnd() { return Start() ? ReadToEnd() : v1::Finished(); }

int WorkerProcess::WaitForExit() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace hotcell::worker::testing
