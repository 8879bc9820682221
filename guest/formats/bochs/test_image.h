// Small Bochs images made in memory, right or wrong in every field, for tests.
#ifndef HOTCELL_GUEST_FORMATS_BOCHS_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_BOCHS_TEST_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "guest/formats/bochs/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::bochs {

inline constexpr uint32_t kExtent = 64 << 10;  // 128 sectors
inline constexpr uint32_t kEntries = 16;
inline constexpr uint64_t kDisk = kEntries * uint64_t{kExtent};
inline constexpr uint64_t kCatalog = sizeof(Header);
inline constexpr uint64_t kExtents = kCatalog + kEntries * sizeof(Le32);

// A disk of 1 MiB with two extents: number 1 has the disk's first 64 KiB, number 0 the second. All
// of their sectors are there, and hold their number in the disk's order.
class TestImage {
 public:
  TestImage() : bytes_(kExtents + 2 * (kSectorSize + kExtent)) {
    std::copy(kMagic.begin(), kMagic.end(), header().magic);
    std::copy(kTypeRedolog.begin(), kTypeRedolog.end(), header().type);
    std::copy(kSubtypeGrowing.begin(), kSubtypeGrowing.end(), header().subtype);
    header().version = kVersion2;
    header().header = uint32_t{sizeof(Header)};
    header().catalog = kEntries;
    header().bitmap = kExtent / kSectorSize / 8;
    header().extent = kExtent;
    header().disk = kDisk;
    for (uint32_t entry = 0; entry < kEntries; ++entry) SetCatalog(entry, kNoExtent);
    SetCatalog(0, 1);
    SetCatalog(1, 0);
    for (uint32_t sector = 0; sector < 256; ++sector) {
      const uint64_t extent = Extent(sector < 128 ? 1 : 0);
      bytes_[extent + sector % 128 / 8] = std::byte{0xff};
      std::fill_n(bytes_.begin() + extent + kSectorSize + sector % 128 * kSectorSize, kSectorSize,
                  static_cast<std::byte>(sector));
    }
  }

  static uint64_t Extent(uint32_t number) {
    return kExtents + number * uint64_t{kSectorSize + kExtent};
  }

  Header& header() { return *reinterpret_cast<Header*>(bytes_.data()); }
  void SetCatalog(uint32_t index, uint32_t extent) {
    const Le32 stored = extent;
    std::memcpy(bytes_.data() + kCatalog + index * sizeof(Le32), &stored, sizeof(stored));
  }
  std::byte& at(uint64_t offset) { return bytes_[offset]; }
  void Resize(size_t size) { bytes_.resize(size); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace hotcell::guest::bochs

#endif  // HOTCELL_GUEST_FORMATS_BOCHS_TEST_IMAGE_H_
