#include "guest/ops/resize.h"

#include <memory>
#include <optional>

#include "guest/formats/common/chain.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/resize.h"

namespace hotcell::guest {
namespace {

// QEMU's sizes are signed; nullopt: it has no such size.
std::optional<uint64_t> NewSize(const ResizeJob& job, uint64_t old_size) {
  uint64_t size = job.size;
  if (job.change == SizeChange::kGrowBy) {
    if (size > UINT64_MAX - old_size) return std::nullopt;
    size += old_size;
  } else if (job.change == SizeChange::kShrinkBy) {
    if (size > old_size) return std::nullopt;
    size = old_size - size;
  }
  if (size == 0 || size > INT64_MAX) return std::nullopt;
  return size;
}

ResizeSummary::Outcome Judge(const ResizeJob& job, const ResizeOptions& options,
                             const FormatDriver& format) {
  if (options.new_size <= options.old_size && options.preallocation != Preallocation::kOff) {
    return ResizeSummary::Outcome::kNotGrowing;
  }
  if (options.new_size < options.old_size && !job.shrink) {
    return ResizeSummary::Outcome::kShrinking;
  }
  return format.resize == nullptr ? ResizeSummary::Outcome::kUnsupported
                                  : ResizeSummary::Outcome::kResized;
}

}  // namespace

Result<ResizeSummary> Resize(IoChannel& io, const ResizeJob& job) {
  const FileHandle& file = job.image.file;
  const Result<const FormatDriver*> format = ChooseFormat(io, file, job.image.format);
  if (!format.ok()) return format.status();
  const Result<std::unique_ptr<ImageReader>> reader =
      (*format)->open(io, file, {.describe_only = true});
  if (!reader.ok()) return reader.status();

  ResizeSummary summary = {.format = std::string((*format)->name),
                           .old_size = (*reader)->virtual_size(),
                           .warnings = (*reader)->Describe().warnings};
  const std::optional<uint64_t> new_size = NewSize(job, summary.old_size);
  if (!new_size) {
    summary.outcome = ResizeSummary::Outcome::kNotPositive;
    return summary;
  }
  const ResizeOptions options = {.old_size = summary.old_size,
                                 .new_size = *new_size,
                                 .preallocation = job.preallocation,
                                 .device = job.image.device};
  summary.outcome = Judge(job, options, **format);
  if (summary.outcome != ResizeSummary::Outcome::kResized) return summary;
  const OpenOptions limit = {.max_virtual_size = job.limits.max_virtual_size};
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize((*format)->name, *new_size, limit));
  HOTCELL_RETURN_IF_ERROR((*format)->resize(io, file, options));
  summary.new_size = *new_size;
  return summary;
}

}  // namespace hotcell::guest
