// Small VHDs made in memory, right or wrong in every field, for tests.
//
//   TestImage image;
//   image.header().block_size = 0;
//   files.Add(image.MakeFile());
#ifndef HOTCELL_GUEST_FORMATS_VPC_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_VPC_TEST_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "guest/formats/vpc/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vpc {

// A valid dynamic disk of four blocks, of which none is allocated: the footer's copy at 0, the
// header at 512, the block allocation table at 1536, room for a parent's name at 2048. Nothing
// keeps a test from breaking it.
class TestImage {
 public:
  static constexpr uint64_t kHeader = 512;
  static constexpr uint64_t kTable = 1536;
  static constexpr uint64_t kLocator = 2048;
  static constexpr uint64_t kBlocks = 4096;
  static constexpr uint64_t kBlockSize = 64 << 10;
  static constexpr uint64_t kBitmapSize = 512;
  static constexpr uint64_t kEntries = 4;
  static constexpr uint64_t kDiskSize = kEntries * kBlockSize;

  TestImage() {
    Copy(kFooterCookie, footer_.cookie);
    Copy("qem2", footer_.creator_application);
    footer_.file_format_version = kFormatVersion;
    footer_.data_offset = kHeader;
    footer_.original_size = kDiskSize;
    footer_.current_size = kDiskSize;
    footer_.disk_type = kTypeDynamic;
    std::fill(std::begin(footer_.unique_id), std::end(footer_.unique_id), uint8_t{0x11});
    Copy(kHeaderCookie, header_.cookie);
    header_.table_offset = kTable;
    header_.header_version = kFormatVersion;
    header_.max_table_entries = kEntries;
    header_.block_size = static_cast<uint32_t>(kBlockSize);
    bytes_.resize(kBlocks);
    for (uint64_t i = 0; i < kEntries; ++i) SetEntry(i, kUnallocated);
  }

  // Written to the file by Bytes(), with right checksums unless these were turned off.
  Footer& footer() { return footer_; }
  DynamicHeader& header() { return header_; }
  bool footer_checksum = true;
  bool header_checksum = true;
  bool first_footer = true;
  bool last_footer = true;

  void SetEntry(uint64_t block, uint32_t sector) {
    SetBytes(kTable + block * sizeof(Be32), Be32(sector));
  }
  template <typename T>
  void SetBytes(uint64_t offset, const T& value) {
    SetRange(offset, std::as_bytes(std::span(&value, 1)));
  }
  void SetRange(uint64_t offset, std::span<const std::byte> data) {
    if (bytes_.size() < offset + data.size()) bytes_.resize(offset + data.size());
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
  }

  // Adds a block filled with `fill`, all of whose sectors are in use; returns where its bitmap is.
  uint64_t AddBlock(uint64_t block, uint8_t fill) {
    const uint64_t at = bytes_.size();
    SetEntry(block, static_cast<uint32_t>(at / kSectorSize));
    bytes_.resize(at + kBitmapSize, std::byte{0xff});
    bytes_.resize(at + kBitmapSize + kBlockSize, std::byte{fill});
    return at;
  }

  // Makes it a differencing disk; the name is ASCII, and the parent another TestImage by default.
  void SetParent(uint32_t platform, std::string_view name) {
    footer_.disk_type = kTypeDifferencing;
    std::fill(std::begin(header_.parent_unique_id), std::end(header_.parent_unique_id),
              uint8_t{0x11});
    std::vector<std::byte> data;
    for (const char letter : name) {
      data.push_back(static_cast<std::byte>(letter));
      if (platform != kPlatformMacX) data.push_back({});
    }
    SetRange(kLocator, data);
    header_.parent_locators[0] = {.platform_code = platform,
                                  .platform_data_space = 512,
                                  .platform_data_length = static_cast<uint32_t>(data.size()),
                                  .reserved = 0,
                                  .platform_data_offset = kLocator};
  }

  std::vector<std::byte> Bytes() {
    if (header_checksum) header_.checksum = ChecksumOf(header_);
    if (footer_checksum) footer_.checksum = ChecksumOf(footer_);
    std::vector<std::byte> out = bytes_;
    if (first_footer) std::memcpy(out.data(), &footer_, sizeof(footer_));
    std::memcpy(out.data() + kHeader, &header_, sizeof(header_));
    if (last_footer) {
      const auto footer = std::as_bytes(std::span(&footer_, 1));
      out.insert(out.end(), footer.begin(), footer.end());
    }
    return out;
  }
  std::unique_ptr<NativeFile> MakeFile() { return std::make_unique<MemoryFile>(Bytes()); }

 private:
  static void Copy(std::string_view text, char* out) { std::copy(text.begin(), text.end(), out); }

  Footer footer_ = {};
  DynamicHeader header_ = {};
  std::vector<std::byte> bytes_;
};

}  // namespace hotcell::guest::vpc

#endif  // HOTCELL_GUEST_FORMATS_VPC_TEST_IMAGE_H_
