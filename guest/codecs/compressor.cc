#include "guest/codecs/compressor.h"

#include <libdeflate.h>

#include <cstring>

#include "guest/formats/endian.h"
// For a compression context in memory of ours, so that none is allocated later.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

namespace hotcell::guest {
namespace {

// The tables of qemu's level with the search of a lower one: 0.6% longer streams at 1.4 times the
// speed. docs/performance.md has the measurements.
constexpr int kZstdLevel = 3;
constexpr ZSTD_strategy kZstdStrategy = ZSTD_fast;

using ZstdParameters = std::unique_ptr<ZSTD_CCtx_params, decltype(&ZSTD_freeCCtxParams)>;

// Null when there is no memory for them.
ZstdParameters MakeZstdParameters() {
  ZstdParameters parameters(ZSTD_createCCtxParams(), ZSTD_freeCCtxParams);
  if (parameters != nullptr) {
    ZSTD_CCtxParams_init(parameters.get(), kZstdLevel);
    ZSTD_CCtxParams_setParameter(parameters.get(), ZSTD_c_strategy, kZstdStrategy);
  }
  return parameters;
}

}  // namespace

ClusterCompressor::~ClusterCompressor() = default;

Result<std::unique_ptr<ClusterCompressor>> ClusterCompressor::Create(Compression compression) {
  std::unique_ptr<ClusterCompressor> made(new ClusterCompressor());
  switch (compression) {
    case Compression::kZlib:
      made->zlib_ = true;
      [[fallthrough]];
    case Compression::kDeflate:
      made->deflate_ = std::make_unique<DeflateEncoder>();
      break;
    case Compression::kZstd: {
      const ZstdParameters parameters = MakeZstdParameters();
      if (parameters == nullptr) break;
      const size_t size = ZSTD_estimateCCtxSize_usingCCtxParams(parameters.get());
      made->zstd_workspace_ = std::make_unique<std::byte[]>(size);
      ZSTD_CCtx* const context = ZSTD_initStaticCCtx(made->zstd_workspace_.get(), size);
      if (context == nullptr) break;
      ZSTD_CCtx_setParametersUsingCCtxParams(context, parameters.get());
      made->zstd_ = context;
      break;
    }
  }
  if (made->deflate_ == nullptr && made->zstd_ == nullptr) {
    return Status(Code::kOutOfMemory, "no memory for the compressor's state");
  }
  return made;
}

// RFC 1950: two bytes of header, the deflate stream, the Adler-32 of the data.
size_t ClusterCompressor::CompressZlib(std::span<const std::byte> cluster,
                                       std::span<std::byte> out) {
  // Deflate with a window of 32 KiB, the default level, no dictionary.
  constexpr std::byte kHeader[] = {std::byte{0x78}, std::byte{0x9c}};
  if (out.size() <= sizeof(kHeader) + sizeof(Be32)) return 0;
  const size_t size = deflate_->Compress(
      cluster, out.subspan(sizeof(kHeader)).first(out.size() - sizeof(kHeader) - sizeof(Be32)));
  if (size == 0) return 0;
  std::memcpy(out.data(), kHeader, sizeof(kHeader));
  const Be32 checksum = libdeflate_adler32(1, cluster.data(), cluster.size());
  std::memcpy(out.data() + sizeof(kHeader) + size, &checksum, sizeof(checksum));
  return sizeof(kHeader) + size + sizeof(checksum);
}

size_t ClusterCompressor::Compress(std::span<const std::byte> cluster, std::span<std::byte> out) {
  if (zlib_) return CompressZlib(cluster, out);
  if (deflate_ != nullptr) return deflate_->Compress(cluster, out);
  const size_t size = ZSTD_compress2(static_cast<ZSTD_CCtx*>(zstd_), out.data(), out.size(),
                                     cluster.data(), cluster.size());
  return ZSTD_isError(size) != 0 ? 0 : size;
}

}  // namespace hotcell::guest
