// Compare().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"
#include "broker/lanes/report_codec.h"

namespace hotcell::broker {

absl::Status CompareOperation::Describe(FileTable& files, v1::Job& job) {
  v1::CompareJob& compare = *job.mutable_compare();
  compare.set_strict(request_.strict);
  const Access access = AccessOf(request_.source_cache);
  absl::Status status = AddSource(request_.first, access, files, *compare.mutable_first());
  if (!status.ok()) return status;
  return AddSource(request_.second, access, files, *compare.mutable_second());
}

std::vector<WorkerShape> CompareOperation::Shapes() const {
  const int fds[] = {request_.first.fd, request_.second.fd};
  return ShapesFor(request_.options.limits, request_.lanes, request_.references,
                   AllocatedBytes(fds));
}

absl::StatusOr<CompareReply> CompareOperation::MakeReply(v1::Report& report,
                                                         const WorkerReport& worker,
                                                         const FileTable& files) {
  if (!report.has_compare()) return NoResult();
  CompareReply reply;
  if (report.compare().has_failure()) {
    reply.failure = ReportedError(report.compare().failure(), files.error());
  }
  reply.result = TakeNative(*report.mutable_compare());
  reply.warnings = Warnings(report, worker);
  return reply;
}

}  // namespace hotcell::broker
