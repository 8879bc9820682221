// Small Parallels images made in memory, right or wrong in every field, for tests.
#ifndef HOTCELL_GUEST_FORMATS_PARALLELS_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_PARALLELS_TEST_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "guest/formats/parallels/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::parallels {

// The sectors of a track, which is a cluster here. It is no power of two, as in images by old
// versions of Parallels.
inline constexpr uint32_t kTracks = 63;
inline constexpr uint64_t kCluster = kTracks * kSectorSize;

// An image of four clusters, none of which is allocated; the file has room for all.
struct TestImage {
  explicit TestImage(std::string_view magic = kMagicExtended) {
    SetMagic(magic);
    header.version = kVersion;
    header.tracks = kTracks;
    header.nb_bat_entries = 4u;
    header.nb_sectors = uint64_t{4 * kTracks};
    header.data_off = kTracks;
  }

  void SetMagic(std::string_view magic) { std::copy(magic.begin(), magic.end(), header.magic); }

  std::unique_ptr<MemoryFile> MakeFile() const {
    std::vector<std::byte> bytes(file_size);
    const auto place = [&](uint64_t offset, std::span<const std::byte> part) {
      const size_t size = std::min(part.size(), bytes.size() - std::min(bytes.size(), offset));
      std::copy_n(part.begin(), size, bytes.begin() + static_cast<ptrdiff_t>(offset));
    };
    place(0, std::as_bytes(std::span(&header, 1)));
    place(sizeof(header), std::as_bytes(std::span(bat)));
    if (!extension.empty()) {
      place(header.ext_off * kSectorSize, std::as_bytes(std::span(extension)));
    }
    return std::make_unique<MemoryFile>(std::move(bytes));
  }

  Header header = {};
  std::vector<uint32_t> bat = {0, 0, 0, 0};
  std::vector<uint64_t> extension;
  uint64_t file_size = 5 * kCluster;
};

}  // namespace hotcell::guest::parallels

#endif  // HOTCELL_GUEST_FORMATS_PARALLELS_TEST_IMAGE_H_
