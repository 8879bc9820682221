#include "guest/ops/info.h"

#include "guest/formats/chain.h"

namespace hotcell::guest {

Result<ImageDescription> Inspect(IoChannel& io, const hotcell_v1_Job& job) {
  const hotcell_v1_InfoJob& info = job.operation.info;
  if (!info.has_source) return InvalidArgument("the job names no image to inspect");
  const FileHandle file = {.slot = info.source.slot, .size = info.source.size};

  const Result<const FormatDriver*> format = ChooseFormat(io, file, info.source.format);
  if (!format.ok()) return format.status();
  const Result<std::unique_ptr<ImageReader>> reader =
      (*format)->open(io, file, {.describe_only = true});
  if (!reader.ok()) return reader.status();
  return (*reader)->Describe();
}

}  // namespace hotcell::guest
