// Map().
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/jobs/job_parts.h"
#include "broker/jobs/operations.h"
#include "hotcell/failure.h"

namespace hotcell::broker {

absl::Status MapOperation::Prepare() {
  absl::StatusOr<MapFile> records = MakeMapFile();
  if (!records.ok()) return records.status();
  records_ = *std::move(records);
  return absl::OkStatus();
}

Limits MapOperation::limits() const {
  Limits limits = request_.options.limits;
  limits.output_bytes = std::min(limits.output_bytes, kMaxMapBytes);
  return limits;
}

absl::Status MapOperation::Describe(FileTable& files, v1::Job& job) {
  v1::MapJob& map = *job.mutable_map();
  absl::Status status = AddSource(request_.source, Access::kCached, files, *map.mutable_source());
  if (!status.ok()) return status;
  const absl::StatusOr<uint32_t> slot =
      files.AddOutput(records_.fd.get(), "the map", Durability::kNone, /*fresh=*/true);
  if (!slot.ok()) return slot.status();
  map.set_records_slot(*slot);
  map.set_begin(request_.begin);
  map.set_length(request_.length);
  return absl::OkStatus();
}

absl::StatusOr<MapReply> MapOperation::MakeReply(v1::Report& report, const WorkerReport& worker,
                                                 const FileTable& files) {
  if (!report.has_map()) return NoResult();
  const absl::Status status =
      ReadMapRecords(records_.fd.get(), report.map().records(), files, request_);
  if (!status.ok()) return status;
  MapReply reply{.warnings = Warnings(report, worker), .worker = {}};
  if (!records_.warning.empty()) reply.warnings.push_back(records_.warning);
  return reply;
}

absl::StatusOr<MapReply> MapOperation::Finish(absl::StatusOr<MapReply> reply,
                                              const FileTable& files) {
  if (reply.ok() || records_.directory.empty() ||
      FailureKindOf(files.output_error()) != FailureKind::kHost) {
    return reply;
  }
  return Reworded(reply.status(), absl::StrCat(std::string(reply.status().message()),
                                               "; it is a temporary file in ", records_.directory,
                                               ", and TMPDIR can name another directory"));
}

}  // namespace hotcell::broker
