// Info().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"
#include "hotcell/failure.h"

namespace hotcell::broker {
namespace {

absl::Status BrokenContract(absl::string_view what) {
  return WithFailureKind(absl::InternalError(what), FailureKind::kGuestContract);
}

}  // namespace

ReferencePolicy InfoOperation::references() const {
  return request_.backing_chain ? request_.references : ReferencePolicy();
}

absl::Status InfoOperation::Describe(FileTable& files, v1::Job& job) {
  v1::InfoJob& info = *job.mutable_info();
  info.set_backing_chain(request_.backing_chain);
  return AddSource(request_.source, Access::kCached, files, *info.mutable_source());
}

absl::StatusOr<InfoReply> InfoOperation::MakeReply(v1::Report& report, const WorkerReport& worker,
                                                   const FileTable& files) {
  if (!report.has_info()) return NoResult();
  // Each entry may cost a hundred times the two bytes that it has in the report.
  if (static_cast<uint32_t>(report.backing_chain_size()) > request_.options.limits.chain_depth) {
    return BrokenContract("the guest describes more images than a chain may have");
  }
  InfoReply reply;
  reply.info = TakeNative(*report.mutable_info());
  for (v1::ImageInfo& image : *report.mutable_backing_chain()) {
    const JobFile* const file = files.Find(image.slot());
    if (file == nullptr) return BrokenContract("the guest describes a file it does not have");
    reply.backing_chain.push_back(
        {.info = TakeNative(image), .allocated_size = AllocatedBytes(file->fd)});
  }
  reply.warnings = Warnings(report, worker);
  return reply;
}

}  // namespace hotcell::broker
