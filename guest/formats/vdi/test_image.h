// Small VDI images made in memory, right or wrong in every field, for tests.
#ifndef HOTCELL_GUEST_FORMATS_VDI_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_VDI_TEST_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "guest/formats/vdi/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vdi {

inline constexpr uint64_t kData = 4096;  // offset of the first block

// A dynamic image of four blocks, of which the file holds as many as the map needs.
struct TestImage {
  TestImage() {
    header.signature = kSignature;
    header.version = kVersion11;
    header.header_size = kHeaderSize;
    header.image_type = kTypeDynamic;
    header.offset_bmap = uint32_t{512};
    header.offset_data = uint32_t{kData};
    header.sector_size = uint32_t{512};
    header.disk_size = 4 * kBlockSize;
    header.block_size = uint32_t{kBlockSize};
    header.blocks_in_image = 4u;
  }

  std::unique_ptr<MemoryFile> MakeFile() const {
    std::vector<std::byte> bytes(file_size);
    const auto place = [&](uint64_t offset, std::span<const std::byte> part) {
      std::copy(part.begin(), part.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
    };
    place(512, std::as_bytes(std::span(map)));
    place(0, std::as_bytes(std::span(&header, 1)));
    return std::make_unique<MemoryFile>(std::move(bytes));
  }

  Header header = {};
  std::vector<uint32_t> map = {kUnallocated, kUnallocated, kUnallocated, kUnallocated};
  uint64_t file_size = kData + 4 * kBlockSize;
};

}  // namespace hotcell::guest::vdi

#endif  // HOTCELL_GUEST_FORMATS_VDI_TEST_IMAGE_H_
