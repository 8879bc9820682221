// The threads that serve a job's requests.
#ifndef HOTCELL_BROKER_LANES_IO_ENGINE_H_
#define HOTCELL_BROKER_LANES_IO_ENGINE_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/files/file_table.h"
#include "broker/files/reference_resolver.h"
#include "broker/lanes/request_handler.h"
#include "broker/lanes/ring.h"
#include "broker/lanes/write_turn.h"
#include "broker/workers/arena.h"
#include "broker/workers/worker.h"

namespace hotcell::broker {

// One thread per lane that serves the lane's ring and otherwise sleeps on its doorbell.
class IoEngine {
 public:
  // Makes an engine for all lanes of the worker. The arguments are not owned and outlive the
  // engine.
  static absl::StatusOr<std::unique_ptr<IoEngine>> Create(Worker& worker, FileTable& files,
                                                          const ReferenceResolver& references);
  // Stop()s.
  ~IoEngine();
  IoEngine(const IoEngine&) = delete;
  IoEngine& operator=(const IoEngine&) = delete;

  // Starts the threads. Call once. `has_job`: the guest waits for a job, and lane 0 is not served
  // before AnnounceJob().
  absl::Status Start(bool has_job);
  // The job is in the arena: lane 0's thread wakes the guest. A worker that has filled the wake's
  // counter holds up that thread and not the caller.
  void AnnounceJob();

  // Readable once a lane's guest has broken the contract, or one of the caller's functions that
  // serve a request has thrown; failure() then says how.
  int failure_fd() const { return failure_fd_.get(); }
  absl::Status failure() const;
  // Throws what that function has thrown, if one has.
  void RethrowFailure() const;

  // Ends the threads and waits for them: nothing is read or written afterwards. A request under way
  // is finished first. Precondition: the worker has been sent SIGKILL. What it does to the eventfds
  // until it is dead delays the return, no more. Idempotent.
  void Stop();

  struct Counters {
    uint64_t requests = 0;
    uint64_t doorbells = 0;  // times a lane slept and was woken
    uint64_t bytes_written = 0;
  };
  Counters counters() const;

 private:
  struct Lane {
    IoEngine* engine = nullptr;
    uint32_t index = 0;
    LaneRing ring;
    int doorbell;  // eventfds of the worker's
    int wake;
    pthread_t thread{};
    bool running = false;
    WriteTurn turn;  // of the thread
    std::atomic<uint64_t> requests = 0;
    std::atomic<uint64_t> doorbells = 0;

    Lane(LaneRing lane_ring, const LaneEvents& events)
        : ring(lane_ring), doorbell(events.doorbell.get()), wake(events.wake.get()) {}
  };

  IoEngine(const Arena& arena, FileTable& files, const ReferenceResolver& references)
      : handler_(arena, files, references, stop_) {}

  static void* ThreadMain(void* lane);
  absl::Status ServeLane(Lane& lane);
  // The number of requests served: one, or none when the ring is empty.
  absl::StatusOr<int> ServeOne(Lane& lane);
  static void WaitForDoorbell(Lane& lane);
  // Ends a sleep of the lane's thread: in a read of an empty doorbell, or in a write to a full
  // wake. Both are non-blocking by now.
  static void Unblock(const Lane& lane);
  // Waits a little for the lane's thread to end; false: it has not.
  static bool Join(Lane& lane);
  void Fail(absl::Status error, std::exception_ptr thrown = nullptr);

  std::atomic<bool> stop_ = false;
  bool has_job_ = false;
  std::atomic<bool> job_announced_ = false;
  RequestHandler handler_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  UniqueFd failure_fd_;
  mutable std::mutex mutex_;  // guards what follows
  absl::Status failure_;
  std::exception_ptr thrown_;  // with the failure
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_IO_ENGINE_H_
