// What an Engine is inside.
#ifndef HOTCELL_BROKER_JOBS_ENGINE_IMPL_H_
#define HOTCELL_BROKER_JOBS_ENGINE_IMPL_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/files/file_table.h"
#include "broker/files/reference_resolver.h"
#include "broker/host/per_process.h"
#include "broker/jobs/job_parts.h"
#include "broker/jobs/job_runner.h"
#include "broker/workers/worker.h"
#include "broker/workers/worker_pool.h"
#include "broker/workers/worker_process.h"
#include "broker/workers/worker_shape.h"
#include "hotcell/engine.h"
#include "protos/job.pb.h"
#include "protos/report.pb.h"

namespace hotcell {

struct Engine::Impl {
  // One of the engine's jobs, from the beginning of the call to its end.
  class Call;

  ~Impl();

  UniqueFd worker;
  UniqueFd kvm;
  broker::DyingWorkers dying;
  std::unique_ptr<broker::WorkerPool> pool;  // null: none was asked for

  struct Calls {
    std::mutex mutex;
    std::condition_variable ended;
    uint32_t under_way = 0;
  };
  broker::PerProcess<Calls> calls;

  broker::WorkerPrograms programs() const {
    return {.worker_fd = worker.get(), .kvm_fd = kvm.get()};
  }

  // One call of the engine's: an operation of operations.h from its request to its reply.
  template <typename Operation>
  absl::StatusOr<typename Operation::Reply> Perform(const typename Operation::Request& request);

  // A program of the user's (run.cc).
  absl::StatusOr<RunReply> Run(const RunRequest& request);

  // A ready worker of one of the shapes; null: there is none.
  std::unique_ptr<broker::Worker> TakeReady(std::span<const broker::WorkerShape> shapes) const;
  // Runs the built-in transcoder of this worker on `job`. `requests`: so many of its guest's were
  // served.
  absl::StatusOr<WorkerReport> RunOn(broker::Worker& transcoder, v1::Job& job,
                                     const broker::ReferenceResolver& resolver,
                                     broker::FileTable& files, broker::JobSpec& spec,
                                     uint64_t& requests);
  // Runs the built-in transcoder on `job`, whose lanes are set to those of the worker; `report` is
  // the guest's answer when the status is OK.
  absl::Status Transcode(std::span<const broker::WorkerShape> shapes, v1::Job& job,
                         const JobOptions& options, const ReferencePolicy& references,
                         broker::FileTable& files, v1::Report& report, WorkerReport& worker_report);
  absl::StatusOr<WorkerReport> SuperviseAndRefillPool(broker::Worker& worker_of_job,
                                                      const broker::JobSpec& spec);
};

// Counts itself among the engine's calls, for which its destructor waits.
class Engine::Impl::Call {
 public:
  explicit Call(Impl& engine);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Whether this thread is within a call of `engine`, in a callback that is.
  static bool IsWithin(const Impl& engine);

 private:
  static thread_local const Call* innermost_;

  Impl& engine_;
  const Call* const outer_;
};

namespace broker {

FileLimits FileLimitsOf(const Limits& limits);
absl::Status CheckMemory(uint64_t size);  // of a guest, bytes

}  // namespace broker

template <typename Operation>
absl::StatusOr<typename Operation::Reply> Engine::Impl::Perform(
    const typename Operation::Request& request) {
  const Call call(*this);
  Operation operation(request);
  if (absl::Status status = operation.Prepare(); !status.ok()) return status;
  broker::FileTable files(broker::FileLimitsOf(operation.limits()));
  v1::Job job = broker::JobWithLimits(request.options.limits);
  if (absl::Status status = operation.Describe(files, job); !status.ok()) return status;
  v1::Report report;
  WorkerReport worker_report;
  if (absl::Status status = Transcode(operation.Shapes(), job, request.options,
                                      operation.references(), files, report, worker_report);
      !status.ok()) {
    return operation.Finish(std::move(status), files);
  }
  absl::StatusOr<typename Operation::Reply> reply =
      operation.MakeReply(report, worker_report, files);
  if (reply.ok()) reply->worker = std::move(worker_report);
  return operation.Finish(std::move(reply), files);
}

}  // namespace hotcell

#endif  // HOTCELL_BROKER_JOBS_ENGINE_IMPL_H_
