#include "guest/codecs/compressor.h"

#include <libdeflate.h>
// For a compression context in memory of ours, so that none is allocated later.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

namespace hotcell::guest {
namespace {

constexpr int kDeflateLevel = 6;
constexpr int kZstdLevel = 3;

}  // namespace

ClusterCompressor::~ClusterCompressor() = default;

void ClusterCompressor::DeflateFree::operator()(libdeflate_compressor* state) const {
  libdeflate_free_compressor(state);
}

Result<std::unique_ptr<ClusterCompressor>> ClusterCompressor::Create(Compression compression) {
  std::unique_ptr<ClusterCompressor> made(new ClusterCompressor());
  switch (compression) {
    case Compression::kDeflate:
      made->deflate_.reset(libdeflate_alloc_compressor(kDeflateLevel));
      break;
    case Compression::kZstd: {
      const size_t size = ZSTD_estimateCCtxSize(kZstdLevel);
      made->zstd_workspace_ = std::make_unique<std::byte[]>(size);
      made->zstd_ = ZSTD_initStaticCCtx(made->zstd_workspace_.get(), size);
      break;
    }
  }
  if (made->deflate_ == nullptr && made->zstd_ == nullptr) {
    return Status(Code::kOutOfMemory, "no memory for the compressor's state");
  }
  return made;
}

size_t ClusterCompressor::Compress(std::span<const std::byte> cluster, std::span<std::byte> out) {
  if (deflate_ != nullptr) {
    return libdeflate_deflate_compress(deflate_.get(), cluster.data(), cluster.size(), out.data(),
                                       out.size());
  }
  const size_t size = ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(zstd_), out.data(), out.size(),
                                        cluster.data(), cluster.size(), kZstdLevel);
  return ZSTD_isError(size) != 0 ? 0 : size;
}

}  // namespace hotcell::guest
