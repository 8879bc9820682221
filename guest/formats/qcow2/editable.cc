#include "guest/formats/qcow2/editable.h"

#include <cstddef>
#include <span>

#include "base/text.h"
#include "guest/formats/qcow2/on_disk.h"

namespace hotcell::guest::qcow2 {

Status CheckEditable(const ImageHeader& header) {
  if (header.corrupt()) {
    return CorruptImage("qcow2: Image is corrupt; cannot be opened read/write");
  }
  if (header.dirty()) {
    return Unsupported(
        "qcow2: the image is marked as dirty, so that its refcounts need not be right; 'qemu-img "
        "check -r all' repairs them, and 'hotcell convert' makes an image without this mark");
  }
  if (header.crypt_method != kCryptNone) {
    return Unsupported(StrCat("qcow2: the image is encrypted (",
                              header.crypt_method == kCryptAes ? "aes" : "luks",
                              "); encrypted images are not changed"));
  }
  if (header.has_data_file()) {
    return Unsupported(
        "qcow2: the image keeps its data in another file, which is not written to; 'hotcell "
        "convert' makes an image that holds its data itself");
  }
  if (header.refcount_table_size == 0) {
    return CorruptImage("qcow2: the image has no refcount table, and cannot be changed");
  }
  return OkStatus();
}

Status ClearUnknownAutoclear(IoChannel& io, const FileHandle& file, const ImageHeader& header) {
  constexpr uint64_t kKnown = kAutoclearBitmaps | kAutoclearRawDataFile;
  if (header.version < 3 || (header.autoclear & ~kKnown) == 0) return OkStatus();
  const Be64 features = header.autoclear & kKnown;
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, file.slot, offsetof(Header, autoclear_features),
                                   std::as_bytes(std::span(&features, 1)), "the header"));
  const IoResult flushed = io.Flush(file.slot);
  return flushed.ok() ? OkStatus() : IoError(flushed, "flush the image");
}

}  // namespace hotcell::guest::qcow2
