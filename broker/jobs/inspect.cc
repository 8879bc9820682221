// Inspect(), and what Convert() has judged first.
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"
#include "broker/lanes/report_codec.h"

namespace hotcell::broker {

absl::StatusOr<InspectReply> MakeInspectReply(v1::Report& report, uint64_t file_size,
                                              const absl::Status& file_error) {
  if (!report.has_inspect()) return NoResult();
  InspectReply reply;
  reply.file_size = file_size;
  v1::Inspection& inspection = *report.mutable_inspect();
  if (inspection.has_failure()) reply.failure = ReportedError(inspection.failure(), file_error);
  if (inspection.has_check_failure()) {
    reply.check_failure = ReportedError(inspection.check_failure(), file_error);
  }
  reply.inspection = TakeNative(inspection);
  reply.warnings = ReportedWarnings(report);
  return reply;
}

absl::Status InspectOperation::Describe(FileTable& files, v1::Job& job) {
  v1::InspectJob& inspect = *job.mutable_inspect();
  inspect.set_check(request_.check);
  absl::Status status =
      AddSource(request_.source, Access::kCached, files, *inspect.mutable_source());
  source_size_ = inspect.source().size();
  return status;
}

// No warning says that the file changed: the verdict does.
absl::StatusOr<InspectReply> InspectOperation::MakeReply(v1::Report& report,
                                                         const WorkerReport& /*worker*/,
                                                         const FileTable& files) const {
  return MakeInspectReply(report, source_size_, files.error());
}

}  // namespace hotcell::broker
