#include "guest/codecs/compressor.h"

#include <libdeflate.h>

// This declares what makes a compression context in memory of ours, so that none is allocated
// later.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

namespace hotcell::guest {
namespace {

// The tables of qemu's level with the search of a lower one: 0.6% longer streams at 1.4 times the
// speed. docs/performance.md has the measurements.
constexpr int kZstdLevel = 3;
constexpr ZSTD_strategy kZstdStrategy = ZSTD_fast;

// libdeflate's: 3% longer streams than those of zlib's level 6, which qemu uses, at four times the
// speed.
constexpr int kZlibLevel = 1;

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

ClusterCompressor::~ClusterCompressor() { libdeflate_free_compressor(zlib_); }

Result<std::unique_ptr<ClusterCompressor>> ClusterCompressor::Create(Compression compression) {
  std::unique_ptr<ClusterCompressor> made(new ClusterCompressor());
  switch (compression) {
    case Compression::kZlib:
      made->zlib_ = libdeflate_alloc_compressor(kZlibLevel);
      break;
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
    case Compression::kBzip2:
    case Compression::kAdc:
    case Compression::kXz:
      return Unsupported("what is only read cannot be compressed");
  }
  if (made->deflate_ == nullptr && made->zlib_ == nullptr && made->zstd_ == nullptr) {
    return Status(Code::kOutOfMemory, "no memory for the compressor's state");
  }
  return made;
}

size_t ClusterCompressor::Compress(std::span<const std::byte> cluster, std::span<std::byte> out) {
  if (zlib_ != nullptr) {
    return libdeflate_zlib_compress(zlib_, cluster.data(), cluster.size(), out.data(), out.size());
  }
  if (deflate_ != nullptr) return deflate_->Compress(cluster, out);
  const size_t size = ZSTD_compress2(static_cast<ZSTD_CCtx*>(zstd_), out.data(), out.size(),
                                     cluster.data(), cluster.size());
  return ZSTD_isError(size) != 0 ? 0 : size;
}

}  // namespace hotcell::guest
