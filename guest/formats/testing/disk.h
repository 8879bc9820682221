// Reading whole disks natively, as an operation does in the guest, for tests.
#ifndef HOTCELL_GUEST_FORMATS_TESTING_DISK_H_
#define HOTCELL_GUEST_FORMATS_TESTING_DISK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "guest/codecs/decompressor.h"
#include "guest/formats/common/chain.h"
#include "guest/formats/common/format.h"
#include "guest/runtime/common/io.h"

namespace hotcell::guest {

// Reads what extents say: from files, out of compressed clusters, zeroes.
class DiskReader {
 public:
  using MapFunction = std::function<Result<Extent>(uint64_t offset, uint64_t length)>;

  DiskReader(IoChannel& io, MapFunction map) : io_(io), map_(std::move(map)) {}
  DiskReader(IoChannel& io, ImageChain& chain)
      : DiskReader(io, [&io, &chain](uint64_t offset, uint64_t length) {
          return chain.Map(io, offset, length);
        }) {}

  // The disk's bytes in [offset, offset + length).
  Result<std::vector<std::byte>> Read(uint64_t offset, uint64_t length);

  // Compares [0, size) with a raw file of this process; the result is empty when they are alike,
  // and else says where they differ. Holes that both have are skipped.
  Result<std::string> CompareWith(const std::string& raw_path, uint64_t size);

 private:
  Status ReadExtent(const Extent& extent, std::span<std::byte> out);

  IoChannel& io_;
  const MapFunction map_;
  ClusterDecompressor decompressor_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_TESTING_DISK_H_
