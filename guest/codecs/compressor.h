// Compression of one cluster at a time.
#ifndef HOTCELL_GUEST_CODECS_COMPRESSOR_H_
#define HOTCELL_GUEST_CODECS_COMPRESSOR_H_

#include <cstddef>
#include <memory>
#include <span>

#include "guest/codecs/deflate_encoder.h"
#include "guest/formats/common/format.h"
#include "guest/runtime/common/status.h"

struct libdeflate_compressor;

namespace hotcell::guest {

// State of one lane, allocated once: about 0.2 MiB for deflate, 1 MiB for the others. Not
// thread-safe. Deflate keeps to a window of 4 KiB (DeflateEncoder says why); zlib has 32 KiB.
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

  // One of the three is there.
  std::unique_ptr<DeflateEncoder> deflate_;
  libdeflate_compressor* zlib_ = nullptr;  // owned
  std::unique_ptr<std::byte[]> zstd_workspace_;
  void* zstd_ = nullptr;  // a ZSTD_CCtx within zstd_workspace_
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_COMPRESSOR_H_
