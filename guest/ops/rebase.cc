#include "guest/ops/rebase.h"

#include <memory>

#include "guest/formats/common/chain.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/rebase.h"

namespace hotcell::guest {

Result<RebaseSummary> Rebase(IoChannel& io, const RebaseJob& job) {
  const FileHandle& file = job.image.file;
  const Result<const FormatDriver*> format = ChooseFormat(io, file, job.image.format);
  if (!format.ok()) return format.status();
  const Result<std::unique_ptr<ImageReader>> reader =
      (*format)->open(io, file, {.describe_only = true});
  if (!reader.ok()) return reader.status();
  RebaseSummary summary = {.format = std::string((*format)->name),
                           .warnings = (*reader)->Describe().warnings};
  if ((*format)->rebase == nullptr) {
    summary.outcome = RebaseSummary::Outcome::kUnsupported;
    return summary;
  }
  const Result<bool> fits =
      (*format)->rebase(io, file, {.name = job.backing_name, .format = job.backing_format});
  if (!fits.ok()) return fits.status();
  if (!*fits) summary.outcome = RebaseSummary::Outcome::kNoRoom;
  return summary;
}

}  // namespace hotcell::guest
