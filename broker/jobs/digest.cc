// Digest().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"

namespace hotcell::broker {

absl::Status DigestOperation::Describe(FileTable& files, v1::Job& job) {
  return AddSource(request_.source, AccessOf(request_.source_cache), files,
                   *job.mutable_digest()->mutable_source());
}

std::vector<WorkerShape> DigestOperation::Shapes() const {
  return ShapesFor(request_.options.limits, request_.lanes, request_.references,
                   AllocatedBytes(request_.source.fd));
}

absl::StatusOr<DigestReply> DigestOperation::MakeReply(v1::Report& report,
                                                       const WorkerReport& worker,
                                                       const FileTable& /*files*/) {
  constexpr size_t kSha256Size = 32;
  if (!report.has_digest() || report.digest().sha256().size() != kSha256Size) return NoResult();
  return DigestReply{.result = TakeNative(*report.mutable_digest()),
                     .warnings = Warnings(report, worker),
                     .worker = {}};
}

}  // namespace hotcell::broker
