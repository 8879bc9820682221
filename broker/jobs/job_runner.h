// The life of one job on its worker, from the start message to the guest's end: limits of time,
// cancellation, the worker's messages and the I/O threads.
#ifndef HOTCELL_BROKER_JOBS_JOB_RUNNER_H_
#define HOTCELL_BROKER_JOBS_JOB_RUNNER_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/lanes/io_engine.h"
#include "broker/workers/symbolizer.h"
#include "broker/workers/worker.h"
#include "broker/workers/worker_process.h"
#include "hotcell/engine.h"
#include "protos/control.pb.h"

namespace hotcell::broker {

// One job for one worker.
struct JobSpec {
  v1::Start start;
  std::string job;                      // for the built-in program, serialized; empty: none
  IoEngine* io = nullptr;               // not owned; started and stopped here
  const JobOptions* options = nullptr;  // not owned
  // Guests with a console: where their output goes. Where there is none output ends the job.
  std::function<void(std::string_view)> serial_output;
  std::function<void(std::string_view)> trace;
  // Called, before the error is returned, where the guest was stopped for a limit or a cancellation
  // and its worker told how it was then.
  std::function<void(const WorkerReport&)> stopped;
  std::span<const Symbol> symbols;  // of the guest's program
  absl::Duration begin;             // MonotonicNow() when the job came, for JobTimes
  // Between Start and the first request of the guest's, or its end: kWorkerDied otherwise.
  absl::Duration answer_limit = absl::InfiniteDuration();
};

// Sees a job through on a worker that was just started, or is ready since, and returns when the I/O
// threads are gone: nothing is read or written afterwards. The worker of a job that failed is
// reaped; that of one that went well was killed and is in `dying`.
//
// The report's end says how the guest ended. Errors: kCancelled; kDeadlineExceeded for the
// limits of time; what the guest broke in its rings, the worker in its protocol, or what killed it
// (kInternal, kAborted); a confinement that is not as required (kFailedPrecondition).
absl::StatusOr<WorkerReport> SuperviseJob(Worker& worker, const JobSpec& spec, DyingWorkers& dying);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_JOB_RUNNER_H_
