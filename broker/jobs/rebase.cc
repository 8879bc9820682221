// Rebase().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"
#include "protos/job_sizes.h"

namespace hotcell::broker {

absl::Status RebaseOperation::Describe(FileTable& files, v1::Job& job) {
  absl::Status status =
      CheckText("the backing file", request_.backing_name, wire::kMaxRebaseJobBackingName);
  if (status.ok())
    status =
        CheckText("the backing format", request_.backing_format, wire::kMaxRebaseJobBackingFormat);
  if (!status.ok()) return status;
  v1::RebaseJob& rebase = *job.mutable_rebase();
  rebase.set_backing_name(request_.backing_name);
  rebase.set_backing_format(request_.backing_format);
  return AddEdited(request_.image, files, *rebase.mutable_image());
}

absl::StatusOr<RebaseReply> RebaseOperation::MakeReply(v1::Report& report,
                                                       const WorkerReport& worker,
                                                       const FileTable& /*files*/) {
  if (!report.has_rebase()) return NoResult();
  return RebaseReply{.result = TakeNative(*report.mutable_rebase()),
                     .warnings = Warnings(report, worker),
                     .worker = {}};
}

}  // namespace hotcell::broker
