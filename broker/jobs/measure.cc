// Measure().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"

namespace hotcell::broker {

absl::Status MeasureOperation::Describe(FileTable& files, v1::Job& job) {
  v1::MeasureJob& measure = *job.mutable_measure();
  absl::Status status = CheckFormatAndOptions(request_.target_format, request_.target_options);
  if (status.ok()) status = AddSnapshotOf(request_, measure);
  if (status.ok() && request_.source.fd >= 0) {
    status = AddSource(request_.source, Access::kCached, files, *measure.mutable_source());
  }
  if (!status.ok()) return status;
  measure.set_size(request_.size);
  measure.set_format(request_.target_format);
  AddOptions(request_.target_options, *measure.mutable_options());
  measure.set_has_backing(request_.target_has_backing);
  return absl::OkStatus();
}

absl::StatusOr<MeasureReply> MeasureOperation::MakeReply(v1::Report& report,
                                                         const WorkerReport& worker,
                                                         const FileTable& /*files*/) {
  if (!report.has_measure()) return NoResult();
  return MeasureReply{.result = TakeNative(*report.mutable_measure()),
                      .warnings = Warnings(report, worker),
                      .worker = {}};
}

}  // namespace hotcell::broker
