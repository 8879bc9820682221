#include "guest/formats/vmdk/vmdk_writer.h"

#include "guest/formats/vmdk/vmdk_writer_flat.h"
#include "guest/formats/vmdk/vmdk_writer_sparse.h"
#include "guest/formats/vmdk/vmdk_writer_stream.h"
#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest {

Result<std::unique_ptr<ImageWriter>> CreateVmdk(IoChannel& io, const CreateOptions& options) {
  const auto parsed = vmdk::ParseWriteOptions(options);
  if (!parsed.ok()) return parsed.status();
  if (options.exists) return MakesImagesAnew("vmdk");
  switch (parsed->subformat) {
    case vmdk::Subformat::kStreamOptimized:
      if (options.file_size != 0) {
        return Unsupported(
            "vmdk: a streamOptimized image ends with its footer, and a device does not end where "
            "the image does; write it to a file, or leave out subformat=streamOptimized");
      }
      return vmdk::CreateStream(options, *parsed);
    case vmdk::Subformat::kMonolithicSparse:
    case vmdk::Subformat::kTwoGbMaxExtentSparse:
      return vmdk::CreateSparse(io, options, *parsed);
    case vmdk::Subformat::kMonolithicFlat:
    case vmdk::Subformat::kTwoGbMaxExtentFlat:
      return vmdk::CreateFlat(io, options, *parsed);
  }
  return Unsupported("vmdk: unknown subformat");
}

}  // namespace hotcell::guest
