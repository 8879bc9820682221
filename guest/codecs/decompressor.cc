#include "guest/codecs/decompressor.h"

#include <libdeflate.h>
// For a decompression context in memory of ours, so that none is allocated later.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "guest/runtime/text.h"

namespace hotcell::guest {

ClusterDecompressor::ClusterDecompressor() = default;
ClusterDecompressor::~ClusterDecompressor() = default;

void ClusterDecompressor::DeflateFree::operator()(libdeflate_decompressor* state) const {
  libdeflate_free_decompressor(state);
}

Status ClusterDecompressor::Decompress(Compression compression, std::span<const std::byte> stream,
                                       std::span<std::byte> cluster) {
  switch (compression) {
    case Compression::kDeflate:
    case Compression::kZlib:
      return Inflate(compression, stream, cluster);
    case Compression::kZstd:
      return UnpackZstd(stream, cluster);
  }
  return Unsupported("unknown compression");
}

Status ClusterDecompressor::Inflate(Compression compression, std::span<const std::byte> stream,
                                    std::span<std::byte> cluster) {
  if (deflate_ == nullptr) {
    deflate_.reset(libdeflate_alloc_decompressor());
    if (deflate_ == nullptr) return Status(Code::kOutOfMemory, "no memory for the inflate state");
  }
  // Without a place for the actual size, libdeflate insists on exactly cluster.size() bytes.
  const auto decompress = compression == Compression::kZlib ? libdeflate_zlib_decompress
                                                            : libdeflate_deflate_decompress;
  switch (decompress(deflate_.get(), stream.data(), stream.size(), cluster.data(), cluster.size(),
                     nullptr)) {
    case LIBDEFLATE_SUCCESS:
      return OkStatus();
    case LIBDEFLATE_SHORT_OUTPUT:
      return CorruptImage(
          StrCat("the deflate stream unpacks to less than a cluster (", cluster.size(), " bytes)"));
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      return CorruptImage(
          StrCat("the deflate stream unpacks to more than a cluster (", cluster.size(), " bytes)"));
    case LIBDEFLATE_BAD_DATA:
      break;
  }
  return CorruptImage("the deflate stream is damaged");
}

Status ClusterDecompressor::UnpackZstd(std::span<const std::byte> stream,
                                       std::span<std::byte> cluster) {
  if (zstd_ == nullptr) {
    const size_t size = ZSTD_estimateDCtxSize();
    zstd_workspace_ = std::make_unique<std::byte[]>(size);
    zstd_ = ZSTD_initStaticDCtx(zstd_workspace_.get(), size);
    if (zstd_ == nullptr) return Status(Code::kOutOfMemory, "no memory for the zstd state");
  }
  // A cluster may be several frames, and padding follows the last one, so frames are measured
  // before they are unpacked. They are unpacked in one go, for which no window is kept, whatever
  // the frame asks for.
  size_t filled = 0;
  size_t taken = 0;
  while (filled < cluster.size()) {
    const std::span<const std::byte> rest = stream.subspan(taken);
    const size_t frame = ZSTD_findFrameCompressedSize(rest.data(), rest.size());
    if (ZSTD_isError(frame) != 0) {
      return CorruptImage(filled == 0
                              ? "the zstd stream is damaged"
                              : StrCat("the zstd stream unpacks to ", filled,
                                       " bytes, less than a cluster (", cluster.size(), " bytes)"));
    }
    const std::span<std::byte> space = cluster.subspan(filled);
    const size_t unpacked = ZSTD_decompressDCtx(static_cast<ZSTD_DCtx*>(zstd_), space.data(),
                                                space.size(), rest.data(), frame);
    if (ZSTD_isError(unpacked) != 0) {
      if (ZSTD_getErrorCode(unpacked) == ZSTD_error_dstSize_tooSmall) {
        return CorruptImage(
            StrCat("the zstd stream unpacks to more than a cluster (", cluster.size(), " bytes)"));
      }
      return CorruptImage("the zstd stream is damaged");
    }
    taken += frame;
    filled += unpacked;
  }
  return OkStatus();
}

}  // namespace hotcell::guest
