#include "guest/codecs/decompressor.h"

#include <bzlib.h>
#include <libdeflate.h>
// This declares what makes a decompression context in memory of ours, so that none is allocated
// later.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

#include "base/text.h"
#include "guest/codecs/adc.h"
#include "guest/codecs/xz.h"
#include "guest/formats/vmdk/on_disk.h"

namespace hotcell::guest {

ClusterDecompressor::ClusterDecompressor() = default;
ClusterDecompressor::~ClusterDecompressor() = default;

void ClusterDecompressor::DeflateFree::operator()(libdeflate_decompressor* state) const {
  libdeflate_free_decompressor(state);
}

Status ClusterDecompressor::Unpack(const Extent& extent, std::span<const std::byte> stream,
                                   std::span<std::byte> cluster) {
  if (extent.marker_lba) return UnpackGrain(extent, stream, cluster);
  return Decompress(extent.compression, stream, cluster);
}

Status ClusterDecompressor::Decompress(Compression compression, std::span<const std::byte> stream,
                                       std::span<std::byte> cluster) {
  switch (compression) {
    case Compression::kDeflate:
    case Compression::kZlib:
      return Inflate(compression, stream, cluster);
    case Compression::kZstd:
      return UnpackZstd(stream, cluster);
    case Compression::kBzip2:
      return UnpackBzip2(stream, cluster);
    case Compression::kAdc:
      return UnpackAdc(stream, cluster);
    case Compression::kXz:
      return UnpackXz(stream, cluster);
  }
  return Unsupported("unknown compression");
}

Status ClusterDecompressor::AllocateInflate() {
  if (deflate_ == nullptr) deflate_.reset(libdeflate_alloc_decompressor());
  if (deflate_ == nullptr) return Status(Code::kOutOfMemory, "no memory for the inflate state");
  return OkStatus();
}

// The marker's size is believed only as far as the stream was read.
Status ClusterDecompressor::UnpackGrain(const Extent& extent, std::span<const std::byte> stream,
                                        std::span<std::byte> grain) {
  HOTCELL_RETURN_IF_ERROR(AllocateInflate());
  if (stream.size() < sizeof(vmdk::GrainMarker)) {
    return CorruptImage("the file ends within the grain's marker");
  }
  const auto marker = LoadStruct<vmdk::GrainMarker>(stream);
  stream = stream.subspan(sizeof(vmdk::GrainMarker));
  if (marker.lba != *extent.marker_lba) {
    return CorruptImage(StrCat("the marker there is that of the grain at sector ",
                               uint64_t{marker.lba}, ", not ", *extent.marker_lba));
  }
  if (marker.size == 0 || marker.size > stream.size()) {
    return CorruptImage(StrCat("the grain's marker says ", uint32_t{marker.size},
                               " bytes of compressed data; 1 to ", stream.size(), " are possible"));
  }
  size_t filled = 0;
  switch (libdeflate_zlib_decompress(deflate_.get(), stream.data(), marker.size, grain.data(),
                                     grain.size(), &filled)) {
    case LIBDEFLATE_SUCCESS:
      break;
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      return CorruptImage(
          StrCat("the grain's stream unpacks to more than a grain (", grain.size(), " bytes)"));
    default:
      return CorruptImage("the grain's stream is damaged");
  }
  if (filled < extent.offset_in_cluster + extent.length) {
    return CorruptImage(
        StrCat("the grain's stream unpacks to ", filled, " bytes, less than the disk has there"));
  }
  std::fill(grain.begin() + static_cast<ptrdiff_t>(filled), grain.end(), std::byte{0});
  return OkStatus();
}

Status ClusterDecompressor::Inflate(Compression compression, std::span<const std::byte> stream,
                                    std::span<std::byte> cluster) {
  HOTCELL_RETURN_IF_ERROR(AllocateInflate());
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

Status ClusterDecompressor::UnpackBzip2(std::span<const std::byte> stream,
                                        std::span<std::byte> cluster) {
  bz_stream state = {};
  if (BZ2_bzDecompressInit(&state, /*verbosity=*/0, /*small=*/0) != BZ_OK) {
    return Status(Code::kOutOfMemory, "no memory for the bzip2 state");
  }
  // The library takes input by pointers that are not const, and writes nothing there.
  state.next_in = const_cast<char*>(reinterpret_cast<const char*>(stream.data()));
  state.avail_in = static_cast<unsigned>(stream.size());
  state.next_out = reinterpret_cast<char*>(cluster.data());
  state.avail_out = static_cast<unsigned>(cluster.size());
  int result = BZ2_bzDecompress(&state);
  char excess = 0;
  if (result == BZ_OK && state.avail_out == 0) {
    // The end of the stream is seen only when there is room for more.
    state.next_out = &excess;
    state.avail_out = 1;
    result = BZ2_bzDecompress(&state);
    if (state.avail_out == 0) result = BZ_OUTBUFF_FULL;
    state.avail_out = 0;
  }
  BZ2_bzDecompressEnd(&state);
  switch (result) {
    case BZ_STREAM_END:
      if (state.avail_out == 0) return OkStatus();
      return CorruptImage(
          StrCat("the bzip2 stream unpacks to less than a cluster (", cluster.size(), " bytes)"));
    case BZ_OUTBUFF_FULL:
      return CorruptImage(
          StrCat("the bzip2 stream unpacks to more than a cluster (", cluster.size(), " bytes)"));
    case BZ_MEM_ERROR:
      return Status(Code::kOutOfMemory, "no memory to unpack a bzip2 stream");
    default:
      return CorruptImage("the bzip2 stream is damaged");
  }
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
