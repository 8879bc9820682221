// Small qcow2 images made in memory, right or wrong in every field, for tests.
//
//   TestImage image;
//   image.header().l1_size = 0;
//   files.Add(image.MakeFile());
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_TEST_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/alignment.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::qcow2 {

// A valid, empty image: the header in cluster 0, a refcount table in 1, a refcount block in 2, the
// L1 table in 3, the L2 table of L1 entry 0 in 4. Nothing keeps a test from breaking it.
class TestImage {
 public:
  static constexpr uint32_t kClusterBits = 16;
  static constexpr uint64_t kClusterSize = 1 << kClusterBits;
  static constexpr uint64_t kRefcountTable = 1 * kClusterSize;
  static constexpr uint64_t kL1 = 3 * kClusterSize;
  static constexpr uint64_t kL2 = 4 * kClusterSize;
  static constexpr uint64_t kEnd = 5 * kClusterSize;  // where AppendCluster() starts
  static constexpr uint64_t kDiskSize = 16 * kClusterSize;

  TestImage() {
    header_.magic = kMagic;
    header_.version = 3;
    header_.cluster_bits = kClusterBits;
    header_.size = kDiskSize;
    header_.l1_size = 1;
    header_.l1_table_offset = kL1;
    header_.refcount_table_offset = kRefcountTable;
    header_.refcount_table_clusters = 1;
    header_.refcount_order = 4;
    header_.header_length = sizeof(Header);
    bytes_.resize(kEnd);
    SetWord(kL1, kL2 | kEntryCopied);
  }

  // Written to the file's start by Bytes().
  Header& header() { return header_; }

  void SetWord(uint64_t offset, uint64_t value) { SetBytes(offset, Be64(value)); }
  void SetL1(uint64_t index, uint64_t entry) { SetWord(kL1 + index * 8, entry); }
  void SetL2(uint64_t index, uint64_t entry) { SetWord(kL2 + index * 8, entry); }
  // Sets an L2 entry of 16 bytes, the second half of which is the bitmap of the subclusters.
  void SetExtendedL2(uint64_t index, uint64_t entry, uint64_t bitmap) {
    SetWord(kL2 + index * 16, entry);
    SetWord(kL2 + index * 16 + 8, bitmap);
  }

  // Puts any struct at `offset`, growing the file.
  template <typename T>
  void SetBytes(uint64_t offset, const T& value) {
    SetRange(offset, std::as_bytes(std::span(&value, 1)));
  }
  void SetText(uint64_t offset, std::string_view text) {
    SetRange(offset, std::as_bytes(std::span(text)));
  }
  void SetRange(uint64_t offset, std::span<const std::byte> data) {
    if (bytes_.size() < offset + data.size()) bytes_.resize(offset + data.size());
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
  }

  // A cluster full of `fill` at the file's end; returns its offset.
  uint64_t AppendCluster(uint8_t fill) {
    const uint64_t offset = AlignUp(bytes_.size(), kClusterSize);
    bytes_.resize(offset + kClusterSize);
    std::fill(bytes_.begin() + static_cast<ptrdiff_t>(offset), bytes_.end(), std::byte{fill});
    return offset;
  }

  // Adds an extension after the header and those added before. `declared_length`: what the
  // extension claims.
  void AddExtension(uint32_t type, std::string_view data) {
    AddExtension(type, data, static_cast<uint32_t>(data.size()));
  }
  void AddExtension(uint32_t type, std::string_view data, uint32_t declared_length) {
    SetBytes(extensions_end_, ExtensionHeader{.type = type, .length = declared_length});
    SetText(extensions_end_ + sizeof(ExtensionHeader), data);
    extensions_end_ += sizeof(ExtensionHeader) + AlignUp(data.size(), 8);
  }
  void SetBackingFile(std::string_view name) {
    const uint64_t offset = 4096;
    header_.backing_file_offset = offset;
    header_.backing_file_size = static_cast<uint32_t>(name.size());
    SetText(offset, name);
  }

  void Resize(uint64_t size) { bytes_.resize(size); }

  std::vector<std::byte> Bytes() const {
    std::vector<std::byte> bytes = bytes_;
    const auto header = std::as_bytes(std::span(&header_, 1));
    std::copy_n(header.begin(), std::min(header.size(), bytes.size()), bytes.begin());
    return bytes;
  }
  std::unique_ptr<MemoryFile> MakeFile() const { return std::make_unique<MemoryFile>(Bytes()); }

 private:
  Header header_{};
  std::vector<std::byte> bytes_;
  uint64_t extensions_end_ = sizeof(Header);
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_TEST_IMAGE_H_
