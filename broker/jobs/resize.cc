// Resize().
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"

namespace hotcell::broker {

// These go into the job as they are.
static_assert(static_cast<int>(SizeChange::kTo) == v1::SIZE_CHANGE_TO &&
              static_cast<int>(SizeChange::kGrowBy) == v1::SIZE_CHANGE_GROW_BY &&
              static_cast<int>(SizeChange::kShrinkBy) == v1::SIZE_CHANGE_SHRINK_BY);
static_assert(static_cast<int>(Preallocation::kOff) == v1::PREALLOCATION_OFF &&
              static_cast<int>(Preallocation::kMetadata) == v1::PREALLOCATION_METADATA &&
              static_cast<int>(Preallocation::kFalloc) == v1::PREALLOCATION_FALLOC &&
              static_cast<int>(Preallocation::kFull) == v1::PREALLOCATION_FULL);

absl::Status ResizeOperation::Describe(FileTable& files, v1::Job& job) {
  v1::ResizeJob& resize = *job.mutable_resize();
  resize.set_change(static_cast<v1::SizeChange>(request_.change));
  resize.set_size(request_.size);
  resize.set_shrink(request_.shrink);
  resize.set_preallocation(static_cast<v1::Preallocation>(request_.preallocation));
  return AddEdited(request_.image, files, *resize.mutable_image());
}

absl::StatusOr<ResizeReply> ResizeOperation::MakeReply(v1::Report& report,
                                                       const WorkerReport& worker,
                                                       const FileTable& /*files*/) {
  if (!report.has_resize()) return NoResult();
  return ResizeReply{.result = TakeNative(*report.mutable_resize()),
                     .warnings = Warnings(report, worker),
                     .worker = {}};
}

}  // namespace hotcell::broker
