// One job of the built-in transcoder: on a worker of the pool, or on one that is started for it.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/files/file_state.h"
#include "broker/host/monotonic_clock.h"
#include "broker/jobs/engine_impl.h"
#include "broker/jobs/operation.h"
#include "broker/lanes/io_engine.h"
#include "broker/lanes/report_codec.h"
#include "broker/workers/arena.h"
#include "broker/workers/symbolizer.h"
#include "broker/workers/worker_end.h"
#include "hotcell/failure.h"

namespace hotcell {
namespace {

using broker::Arena;
using broker::FileTable;
using broker::IoEngine;
using broker::JobSpec;
using broker::ReferenceResolver;
using broker::Worker;
using broker::WorkerShape;

// How long a worker that was ready may take to ask for the first byte of its job. It takes less
// than a millisecond where the machine has a processor for it.
constexpr absl::Duration kAnswerLimit = absl::Seconds(1);

// The guest's error. Where a file changed, that may be all there is to it.
absl::Status GuestsError(const v1::Error& error, const FileTable& files) {
  absl::Status status = broker::ReportedError(error, files.error());
  const std::vector<ChangedFile> changed = files.ChangedInputs();
  if (changed.empty()) return status;
  return Reworded(
      status, absl::StrCat(std::string(status.message()), "; ",
                           broker::ChangeText(changed.front().name, changed.front().attributes_only,
                                              "read")));
}

}  // namespace

std::unique_ptr<Worker> Engine::Impl::TakeReady(std::span<const WorkerShape> shapes) const {
  if (pool == nullptr) return nullptr;
  for (const WorkerShape& shape : shapes) {
    if (std::unique_ptr<Worker> ready = pool->Take(shape)) return ready;
  }
  return nullptr;
}

absl::StatusOr<WorkerReport> Engine::Impl::SuperviseAndRefillPool(Worker& worker_of_job,
                                                                  const JobSpec& spec) {
  absl::StatusOr<WorkerReport> report = broker::SuperviseJob(worker_of_job, spec, dying);
  if (pool != nullptr) pool->WakeThread();
  return report;
}

absl::StatusOr<WorkerReport> Engine::Impl::RunOn(Worker& transcoder, v1::Job& job,
                                                 const ReferenceResolver& resolver,
                                                 FileTable& files, JobSpec& spec,
                                                 uint64_t& requests) {
  job.set_lanes(transcoder.setup().vcpus());
  absl::StatusOr<std::string> encoded = broker::EncodeJob(job);
  if (!encoded.ok()) return encoded.status();
  spec.job = *std::move(encoded);
  const absl::StatusOr<std::unique_ptr<IoEngine>> io =
      IoEngine::Create(transcoder, files, resolver);
  if (!io.ok()) return io.status();
  spec.io = io->get();
  absl::StatusOr<WorkerReport> ran = SuperviseAndRefillPool(transcoder, spec);
  requests = spec.io->counters().requests;
  spec.io = nullptr;
  return ran;
}

absl::Status Engine::Impl::Transcode(std::span<const WorkerShape> shapes, v1::Job& job,
                                     const JobOptions& options, const ReferencePolicy& references,
                                     FileTable& files, v1::Report& report,
                                     WorkerReport& worker_report) {
  JobSpec spec;
  spec.begin = broker::MonotonicNow();
  if (absl::Status status = broker::CheckMemory(options.limits.guest_memory); !status.ok())
    return status;
  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(references);
  if (!resolver.ok()) return resolver.status();
  spec.options = &options;
  spec.symbols = broker::BuiltinSymbols();
  std::unique_ptr<Worker> transcoder = TakeReady(shapes);
  absl::StatusOr<WorkerReport> ran = WorkerReport();
  if (transcoder != nullptr) {
    spec.answer_limit = kAnswerLimit;
    uint64_t requests = 0;
    ran = RunOn(*transcoder, job, *resolver, files, spec, requests);
    // It was killed or stopped while it waited, and nobody had noticed. Its guest has seen nothing
    // of the job's files and done nothing to them.
    const bool lost = FailureKindOf(ran.status()) == FailureKind::kWorkerDied && requests == 0;
    if (lost) transcoder.reset();
  }
  if (transcoder == nullptr) {
    absl::StatusOr<std::unique_ptr<Worker>> started =
        broker::StartTranscoder(programs(), shapes.front());
    if (!started.ok()) return started.status();
    transcoder = *std::move(started);
    spec.answer_limit = absl::InfiniteDuration();
    uint64_t requests = 0;
    ran = RunOn(*transcoder, job, *resolver, files, spec, requests);
  }
  if (!ran.ok()) return ran.status();
  worker_report = *std::move(ran);
  worker_report.bytes_read = files.bytes_read();

  Arena& arena = transcoder->arena();
  absl::Status end = broker::GuestEndStatus(worker_report.end, arena.CopyPanicText(), spec.symbols);
  if (!end.ok()) return end;
  absl::StatusOr<v1::Report> decoded =
      broker::DecodeReport(arena.CopyReport(), options.limits.report_bytes);
  if (!decoded.ok()) return decoded.status();
  report = *std::move(decoded);
  if (report.has_error()) return GuestsError(report.error(), files);
  worker_report.changed_files = files.ChangedInputs();
  if (options.fail_if_changed && !worker_report.changed_files.empty()) {
    return WithFailureKind(
        absl::FailedPreconditionError(broker::ChangedText(worker_report.changed_files.front())),
        FailureKind::kHost);
  }
  // The guest does not decide whether what could not be written is there: an error of an output
  // fails the job.
  if (absl::Status status = files.output_error(); !status.ok()) return status;
  return files.EmptyOutputs();
}

}  // namespace hotcell
