#include "guest/wire/dispatch.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "guest/ops/check.h"
#include "guest/ops/compare.h"
#include "guest/ops/convert.h"
#include "guest/ops/digest.h"
#include "guest/ops/info.h"
#include "guest/ops/inspect.h"
#include "guest/ops/map.h"
#include "guest/ops/measure.h"
#include "guest/ops/rebase.h"
#include "guest/ops/resize.h"
#include "guest/wire/decode_job.h"

namespace hotcell::guest {

namespace {

// Has the source judged; `report_capacity` is the most that the broker takes, bytes.
Status AskToProceed(IoChannel& io, const ConvertJob& job, size_t report_capacity) {
  Result<Inspection> inspection = Inspect(io, {.limits = job.limits,
                                               .source = *job.source,
                                               .check = job.inspect_check,
                                               .snapshot = job.snapshot});
  if (!inspection.ok()) return inspection.status();
  const ScopedBuffer buffer(io);
  const auto area = buffer.span().first(std::min(report_capacity, io.buffer_size()));
  const size_t size = EncodeReport({.inspection = std::move(*inspection)}, area);
  if (size == 0) return LimitExceeded("the report on this image does not fit");
  const IoResult answer = io.Proceed(job.source->file.slot, area.first(size));
  return answer.ok() ? OkStatus() : IoError(answer, "convert the image");
}

Result<ConvertSummary> ConvertIfJudgedSafe(Lanes& lanes, const ConvertJob& job,
                                           size_t report_capacity) {
  if (job.inspect) {
    HOTCELL_RETURN_IF_ERROR(AskToProceed(lanes.main_channel(), job, report_capacity));
  }
  return Convert(lanes, job);
}

template <typename T, typename Field>
JobOutcome OutcomeOf(Result<T> result, Field JobOutcome::*field) {
  JobOutcome outcome;
  if (result.ok()) {
    outcome.*field = std::move(*result);
  } else {
    outcome.error = result.status();
  }
  return outcome;
}

// Calls the operation of each kind of job.
struct Operations {
  Lanes& lanes;
  const size_t report_capacity;
  IoChannel& io = lanes.main_channel();

  JobOutcome operator()(const ConvertJob& job) const {
    return OutcomeOf(ConvertIfJudgedSafe(lanes, job, report_capacity), &JobOutcome::convert);
  }
  JobOutcome operator()(const InfoJob& job) const {
    return OutcomeOf(Info(io, job), &JobOutcome::info);
  }
  JobOutcome operator()(const CompareJob& job) const {
    return OutcomeOf(Compare(lanes, job), &JobOutcome::compare);
  }
  JobOutcome operator()(const DigestJob& job) const {
    return OutcomeOf(Digest(lanes, job), &JobOutcome::digest);
  }
  JobOutcome operator()(const CheckJob& job) const {
    return OutcomeOf(Check(io, job), &JobOutcome::check);
  }
  JobOutcome operator()(const InspectJob& job) const {
    return OutcomeOf(Inspect(io, job), &JobOutcome::inspection);
  }
  JobOutcome operator()(const MapJob& job) const {
    return OutcomeOf(Map(io, job), &JobOutcome::map);
  }
  JobOutcome operator()(const MeasureJob& job) const {
    return OutcomeOf(Measure(io, job), &JobOutcome::measure);
  }
  JobOutcome operator()(const ResizeJob& job) const {
    return OutcomeOf(Resize(io, job), &JobOutcome::resize);
  }
  JobOutcome operator()(const RebaseJob& job) const {
    return OutcomeOf(Rebase(io, job), &JobOutcome::rebase);
  }
};

JobOutcome DecodeAndExecute(Lanes& lanes, std::span<const std::byte> bytes,
                            size_t report_capacity) {
  const Result<Job> job = DecodeJob(bytes);
  if (!job.ok()) return {.error = job.status()};
  return ExecuteJob(lanes, *job, report_capacity);
}

}  // namespace

JobOutcome ExecuteJob(Lanes& lanes, const Job& job, size_t report_capacity) {
  return std::visit(Operations{.lanes = lanes, .report_capacity = report_capacity}, job);
}

size_t AnswerJob(Lanes& lanes, std::span<const std::byte> job, std::span<std::byte> report_area) {
  return EncodeReport(DecodeAndExecute(lanes, job, report_area.size()), report_area);
}

}  // namespace hotcell::guest
