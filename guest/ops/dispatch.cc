#include "guest/ops/dispatch.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "guest/ops/check.h"
#include "guest/ops/compare.h"
#include "guest/ops/convert.h"
#include "guest/ops/digest.h"
#include "guest/ops/info.h"
#include "guest/ops/inspection.h"
#include "guest/ops/job_fields.h"
#include "guest/ops/map.h"
#include "guest/ops/measure.h"
#include "guest/ops/rebase.h"
#include "guest/ops/report.h"
#include "guest/ops/resize.h"
#include "pb_decode.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

namespace {

Status DecodeJob(std::span<const std::byte> bytes, hotcell_v1_Job& job) {
  pb_istream_t stream =
      pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
  if (pb_decode(&stream, hotcell_v1_Job_fields, &job)) return OkStatus();
  return InvalidArgument(StrCat("the job cannot be decoded: ", PB_GET_ERROR(&stream)));
}

Result<Inspection> RunInspect(IoChannel& io, const hotcell_v1_Job& job) {
  const hotcell_v1_InspectJob& inspect = job.operation.inspect;
  if (!inspect.has_source) return InvalidArgument("the job names no file to inspect");
  return Examine(io, inspect.source,
                 {.check = inspect.check, .max_virtual_size = job.max_virtual_size});
}

// Has the source judged; `report_capacity` is the most that the broker takes, bytes.
Status AskToProceed(IoChannel& io, const hotcell_v1_Job& job, size_t report_capacity) {
  const hotcell_v1_ConvertJob& convert = job.operation.convert;
  if (!convert.has_source) return InvalidArgument("the job names no file to inspect");
  Result<Inspection> inspection = Examine(io, convert.source,
                                          {.check = convert.inspect_check,
                                           .max_virtual_size = job.max_virtual_size,
                                           .snapshot = SnapshotOf(convert)});
  if (!inspection.ok()) return inspection.status();
  const ScopedBuffer buffer(io);
  const auto area = buffer.span().first(std::min(report_capacity, io.buffer_size()));
  const size_t size = WriteReport({.inspection = std::move(*inspection)}, area);
  if (size == 0) return LimitExceeded("the report on this image does not fit");
  const IoResult answer = io.Proceed(convert.source.slot, area.first(size));
  return answer.ok() ? OkStatus() : IoError(answer, "convert the image");
}

Result<ConvertSummary> RunConvert(Lanes& lanes, const hotcell_v1_Job& job, size_t report_capacity) {
  if (job.operation.convert.inspect) {
    HOTCELL_RETURN_IF_ERROR(AskToProceed(lanes.main_channel(), job, report_capacity));
  }
  return Convert(lanes, job);
}

JobOutcome RunOperation(Lanes& lanes, std::span<const std::byte> bytes, size_t report_capacity) {
  // Some 20 KiB: too much for a stack that has others to carry.
  const auto job = std::make_unique<hotcell_v1_Job>();
  if (Status decoded = DecodeJob(bytes, *job); !decoded.ok()) return {.error = std::move(decoded)};

  switch (job->which_operation) {
    case hotcell_v1_Job_convert_tag: {
      Result<ConvertSummary> summary = RunConvert(lanes, *job, report_capacity);
      if (!summary.ok()) return {.error = summary.status()};
      return {.convert = std::move(*summary)};
    }
    case hotcell_v1_Job_info_tag: {
      Result<std::vector<ImageDescription>> images = Inspect(lanes.main_channel(), *job);
      if (!images.ok()) return {.error = images.status()};
      return {.info = std::move(*images)};
    }
    case hotcell_v1_Job_compare_tag: {
      Result<CompareSummary> summary = Compare(lanes, *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.compare = std::move(*summary)};
    }
    case hotcell_v1_Job_digest_tag: {
      Result<DigestSummary> summary = Digest(lanes, *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.digest = std::move(*summary)};
    }
    case hotcell_v1_Job_check_tag: {
      Result<CheckSummary> summary = Check(lanes.main_channel(), *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.check = std::move(*summary)};
    }
    case hotcell_v1_Job_inspect_tag: {
      Result<Inspection> inspection = RunInspect(lanes.main_channel(), *job);
      if (!inspection.ok()) return {.error = inspection.status()};
      return {.inspection = std::move(*inspection)};
    }
    case hotcell_v1_Job_map_tag: {
      Result<MapSummary> summary = Map(lanes.main_channel(), *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.map = std::move(*summary)};
    }
    case hotcell_v1_Job_measure_tag: {
      Result<MeasureSummary> summary = Measure(lanes.main_channel(), *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.measure = std::move(*summary)};
    }
    case hotcell_v1_Job_resize_tag: {
      Result<ResizeSummary> summary = Resize(lanes.main_channel(), *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.resize = std::move(*summary)};
    }
    case hotcell_v1_Job_rebase_tag: {
      Result<RebaseSummary> summary = Rebase(lanes.main_channel(), *job);
      if (!summary.ok()) return {.error = summary.status()};
      return {.rebase = std::move(*summary)};
    }
    default:
      return {.error = InvalidArgument("the job asks for no operation")};
  }
}

}  // namespace

size_t RunJob(Lanes& lanes, std::span<const std::byte> job, std::span<std::byte> report_area) {
  return WriteReport(RunOperation(lanes, job, report_area.size()), report_area);
}

}  // namespace hotcell::guest
