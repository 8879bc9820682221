// Check().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"

namespace hotcell::broker {

absl::Status CheckOperation::Describe(FileTable& files, v1::Job& job) {
  return AddSource(request_.source, AccessOf(request_.source_cache), files,
                   *job.mutable_check()->mutable_source());
}

absl::StatusOr<CheckReply> CheckOperation::MakeReply(v1::Report& report, const WorkerReport& worker,
                                                     const FileTable& /*files*/) {
  if (!report.has_check()) return NoResult();
  CheckReply reply;
  reply.report = TakeNative(*report.mutable_check());
  reply.warnings = Warnings(report, worker);
  return reply;
}

}  // namespace hotcell::broker
