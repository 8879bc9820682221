#include "guest/formats/raw/resize.h"

#include "base/text.h"

namespace hotcell::guest {
namespace {

Status SetSize(IoChannel& io, uint32_t slot, uint64_t size) {
  const IoResult sized = io.SetSize(slot, size);
  return sized.ok() ? OkStatus() : IoError(sized, StrCat("make the image ", size, " bytes long"));
}

}  // namespace

Status ResizeRaw(IoChannel& io, const FileHandle& file, const ResizeOptions& options) {
  const std::string_view mode = PreallocationName(options.preallocation);
  if (options.device) {
    if (options.preallocation != Preallocation::kOff) {
      return Unsupported(
          StrCat("Preallocation mode '", mode, "' unsupported for this non-regular file"));
    }
    return options.new_size == options.old_size ? OkStatus()
                                                : Unsupported("Cannot resize device files");
  }
  if (options.preallocation == Preallocation::kMetadata) {
    return Unsupported(StrCat("Unsupported preallocation mode: ", mode));
  }
  // First of all, so that a file that is left in between has one size or the other.
  HOTCELL_RETURN_IF_ERROR(SetSize(io, file.slot, options.new_size));
  if (options.preallocation != Preallocation::kOff) {
    const Status written = WriteZeroData(io, file.slot, file.size, options.new_size - file.size,
                                         "the space that is set aside");
    if (!written.ok()) {
      HOTCELL_RETURN_IF_ERROR(SetSize(io, file.slot, file.size));
      return written;
    }
  }
  const IoResult flushed = io.Flush(file.slot);
  return flushed.ok() ? OkStatus() : IoError(flushed, "flush the image");
}

}  // namespace hotcell::guest
