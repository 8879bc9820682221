#include "guest/ops/check.h"

#include <memory>
#include <utility>

#include "base/text.h"
#include "guest/formats/common/chain.h"

namespace hotcell::guest {

Result<CheckSummary> Check(IoChannel& io, const CheckJob& job) {
  const FileHandle& file = job.source.file;
  const Result<const FormatDriver*> format = ChooseFormat(io, file, job.source.format);
  if (!format.ok()) return format.status();
  const OpenOptions options = {.max_virtual_size = job.limits.max_virtual_size,
                               .describe_only = true};
  const Result<std::unique_ptr<ImageReader>> reader = (*format)->open(io, file, options);
  if (!reader.ok()) return reader.status();

  CheckSummary summary = {.format = std::string((*format)->name),
                          .warnings = (*reader)->Describe().warnings};
  if ((*format)->check == nullptr) return summary;
  // Tables grow with the disk.
  const OpenOptions all = {.max_virtual_size = job.limits.max_virtual_size,
                           .on_device = job.source.device};
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize((*format)->name, (*reader)->virtual_size(), all));
  Result<CheckResult> result = (*format)->check(io, file, all);
  if (!result.ok()) return result.status();
  if (result->needs_replay) {
    result->Add(CheckFinding::Kind::kCorruption,
                StrCat((*format)->name, ": the log has to be replayed; it was, for this check"));
  }
  summary.result = std::move(*result);
  return summary;
}

}  // namespace hotcell::guest
