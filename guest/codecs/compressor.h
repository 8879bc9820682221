// Compression of one cluster at a time.
#ifndef HOTCELL_GUEST_CODECS_COMPRESSOR_H_
#define HOTCELL_GUEST_CODECS_COMPRESSOR_H_

#include <cstddef>
#include <memory>
#include <span>

#include "guest/codecs/deflate_encoder.h"
#include "guest/formats/format.h"
#include "guest/runtime/status.h"

namespace hotcell::guest {

// State of one lane, allocated once: about 0.2 MiB for deflate, 1 MiB for zstd. Not thread-safe.
class ClusterCompressor {
 public:
  static Result<std::unique_ptr<ClusterCompressor>> Create(Compression compression);

  ~ClusterCompressor();
  ClusterCompressor(const ClusterCompressor&) = delete;
  ClusterCompressor& operator=(const ClusterCompressor&) = delete;

  // Bytes of `out` used; 0 when the stream is longer than `out`.
  size_t Compress(std::span<const std::byte> cluster, std::span<std::byte> out);

 private:
  ClusterCompressor() = default;
  size_t CompressZlib(std::span<const std::byte> cluster, std::span<std::byte> out);

  std::unique_ptr<DeflateEncoder> deflate_;  // one of the two is there
  bool zlib_ = false;                        // deflate_'s streams are wrapped as RFC 1950 says
  std::unique_ptr<std::byte[]> zstd_workspace_;
  void* zstd_ = nullptr;  // a ZSTD_CCtx within zstd_workspace_
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_COMPRESSOR_H_
