// Small disk images of macOS made in memory, right or wrong in every field, for tests.
//
//   TestImage image;
//   image.SetTables({BlockTable({Entry(kRaw, 0, 100, 0, 51200)})});
//   files.Add(image.MakeFile());
#ifndef HOTCELL_GUEST_FORMATS_DMG_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_DMG_TEST_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/dmg/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::dmg {

template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

inline ChunkEntry Entry(uint32_t type, uint64_t sector, uint64_t sectors, uint64_t offset,
                        uint64_t length) {
  return {.type = type,
          .comment = 0u,
          .sector_number = sector,
          .sector_count = sectors,
          .offset = offset,
          .length = length};
}

inline std::string BlockTable(const std::vector<ChunkEntry>& entries, uint64_t first_sector = 0) {
  BlockTableHeader header = {};
  header.signature = kBlockTableSignature;
  header.sector_number = first_sector;
  header.chunk_count = static_cast<uint32_t>(entries.size());
  std::string table = Bytes(header);
  for (const ChunkEntry& entry : entries) table += Bytes(entry);
  return table;
}

inline std::string Base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t j = i; j < i + 3; ++j) {
      bits = bits << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kAlphabet[bits >> (18 - 6 * j) & 63] : '=';
    }
    if (i % 48 == 0) out += "\n\t\t";
  }
  return out;
}

inline std::string PropertyList(const std::vector<std::string>& tables) {
  std::string list =
      "<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict><key>resource-fork</key>"
      "<dict>\n<key>blkx</key>\n<array>\n";
  for (const std::string& table : tables) {
    list += "<dict><key>Name</key><string>x</string><key>Data</key>\n<data>\n" + Base64(table) +
            "</data></dict>\n";
  }
  return list +
         "</array><key>plst</key><array><dict><key>Data</key><data>!</data></dict></array>"
         "</dict></dict></plist>";
}

// 64 KiB of data, then the description and the trailer.
struct TestImage {
  static constexpr uint64_t kDataSize = 64 << 10;

  TestImage() {
    trailer.signature = kTrailerSignature;
    trailer.version = kTrailerVersion;
    trailer.header_size = uint32_t{sizeof(Trailer)};
    trailer.data_fork_length = kDataSize;
    trailer.sector_count = uint64_t{100};
  }

  void SetTables(const std::vector<std::string>& tables) {
    description = PropertyList(tables);
    trailer.xml_offset = kDataSize;
    trailer.xml_length = uint64_t{description.size()};
  }

  // Puts a resource fork behind what is there, so that an image can have both.
  void SetResourceFork(const std::vector<std::string>& resources) {
    const size_t begin = description.size();
    std::string fork(256, '\0');
    ResourceForkHeader header = {};
    for (const std::string& resource : resources) {
      fork += Bytes(Be32(static_cast<uint32_t>(resource.size()))) + resource;
    }
    header.data_offset = 256u;
    header.data_length = static_cast<uint32_t>(fork.size() - 256);
    fork.replace(0, sizeof(header), Bytes(header));
    description += fork;
    trailer.rsrc_fork_offset = uint64_t{kDataSize + begin};
    trailer.rsrc_fork_length = uint64_t{fork.size()};
  }

  std::unique_ptr<MemoryFile> MakeFile() const {
    const std::string text = data + description + Bytes(trailer);
    const auto bytes = std::as_bytes(std::span(text));
    return std::make_unique<MemoryFile>(std::vector<std::byte>(bytes.begin(), bytes.end()));
  }

  Trailer trailer = {};
  std::string data = std::string(kDataSize, 'x');
  std::string description;
};

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_TEST_IMAGE_H_
