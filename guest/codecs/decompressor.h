// Decompression of one cluster at a time.
#ifndef HOTCELL_GUEST_CODECS_DECOMPRESSOR_H_
#define HOTCELL_GUEST_CODECS_DECOMPRESSOR_H_

#include <cstddef>
#include <memory>
#include <span>

#include "guest/formats/common/format.h"
#include "guest/runtime/common/status.h"

struct libdeflate_decompressor;

namespace hotcell::guest {

// State that is made once, on first use, and used for any number of clusters. Not thread-safe: one
// per lane. Memory is bounded whatever the streams hold (about 200 KiB; 4 MiB while bzip2 is
// unpacked, a cluster more while xz is), time by the sizes of the stream and of the cluster.
class ClusterDecompressor {
 public:
  ClusterDecompressor();
  ~ClusterDecompressor();
  ClusterDecompressor(const ClusterDecompressor&) = delete;
  ClusterDecompressor& operator=(const ClusterDecompressor&) = delete;

  // Unpacks the cluster that `extent` is a part of; `stream` is what lies at its offset. `cluster`
  // has extent.cluster_size bytes.
  Status Unpack(const Extent& extent, std::span<const std::byte> stream,
                std::span<std::byte> cluster);

  // Unpacks the start of `stream` into exactly `cluster`; bytes of `stream` after the compressed
  // data's end are padding. kCorruptImage when the stream is damaged, or unpacks to less or more
  // than a cluster.
  Status Decompress(Compression compression, std::span<const std::byte> stream,
                    std::span<std::byte> cluster);

 private:
  struct DeflateFree {
    void operator()(libdeflate_decompressor* state) const;
  };

  Status UnpackGrain(const Extent& extent, std::span<const std::byte> stream,
                     std::span<std::byte> grain);
  Status AllocateInflate();
  Status Inflate(Compression compression, std::span<const std::byte> stream,
                 std::span<std::byte> cluster);
  Status UnpackBzip2(std::span<const std::byte> stream, std::span<std::byte> cluster);
  Status UnpackZstd(std::span<const std::byte> stream, std::span<std::byte> cluster);

  std::unique_ptr<libdeflate_decompressor, DeflateFree> deflate_;
  std::unique_ptr<std::byte[]> zstd_workspace_;
  void* zstd_ = nullptr;  // a ZSTD_DCtx within zstd_workspace_
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_DECOMPRESSOR_H_
