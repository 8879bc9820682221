// Small VMDK files made in memory, right or wrong in every field, for tests.
//
//   SparseFile image;
//   image.header.capacity = 0;
//   files.Add(image.MakeFile());
#ifndef HOTCELL_GUEST_FORMATS_VMDK_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_VMDK_TEST_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/vmdk/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vmdk {

// Bytes that grow where something is put.
class ByteFile {
 public:
  template <typename T>
  void Put(uint64_t offset, const T& value) {
    PutRange(offset, std::as_bytes(std::span(&value, 1)));
  }
  void PutText(uint64_t offset, std::string_view text) {
    PutRange(offset, std::as_bytes(std::span(text)));
  }
  void PutRange(uint64_t offset, std::span<const std::byte> data) {
    if (bytes_.size() < offset + data.size()) bytes_.resize(offset + data.size());
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
  }
  void Fill(uint64_t offset, uint64_t size, uint8_t value) {
    PutRange(offset, std::vector<std::byte>(size, std::byte{value}));
  }
  void Resize(uint64_t size) { bytes_.resize(size); }
  uint64_t size() const { return bytes_.size(); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

inline std::string DescriptorText(std::string_view create_type, std::string_view extents,
                                  std::string_view more = {}) {
  return std::string("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n")
      .append("createType=\"")
      .append(create_type)
      .append("\"\n")
      .append(more)
      .append("\n# Extent description\n")
      .append(extents)
      .append("\n# The Disk Data Base\n#DDB\n\nddb.adapterType = \"ide\"\n");
}

// A hosted sparse extent of 16 grains of 64 KiB: the header in sector 0, the descriptor in 1 to 20,
// the redundant grain directory in 21 and its table in 22 to 25, the grain directory in 26 and its
// table in 27 to 30, grains from 128 on. Nothing keeps a test from breaking it.
struct SparseFile {
  static constexpr uint64_t kGrainSectors = 128;
  static constexpr uint64_t kGrainSize = kGrainSectors * kSectorSize;
  static constexpr uint64_t kGrains = 16;
  static constexpr uint64_t kCapacity = kGrains * kGrainSectors;
  static constexpr uint64_t kDescriptor = 1;
  static constexpr uint64_t kRgd = 21;
  static constexpr uint64_t kRgt = 22;
  static constexpr uint64_t kGd = 26;
  static constexpr uint64_t kGt = 27;
  static constexpr uint64_t kFirstGrain = 128;

  SparseFile() {
    header.magicNumber = kSparseMagic;
    header.version = 1;
    header.flags = kFlagNewlineDetection | kFlagRedundantTables;
    header.capacity = kCapacity;
    header.grainSize = kGrainSectors;
    header.descriptorOffset = kDescriptor;
    header.descriptorSize = 20;
    header.numGTEsPerGT = 512;
    header.rgdOffset = kRgd;
    header.gdOffset = kGd;
    header.overHead = kFirstGrain;
    header.singleEndLineChar = '\n';
    header.nonEndLineChar = ' ';
    header.doubleEndLineChar1 = '\r';
    header.doubleEndLineChar2 = '\n';
    descriptor = DescriptorText("monolithicSparse", "RW 2048 SPARSE \"image.vmdk\"\n");
    file.Put(kRgd * kSectorSize, Le32(kRgt));
    file.Put(kGd * kSectorSize, Le32(kGt));
    file.Resize(kFirstGrain * kSectorSize);
  }

  // Sets the entry in both tables.
  void SetGrain(uint64_t number, uint32_t entry) {
    file.Put(kGt * kSectorSize + number * sizeof(Le32), Le32(entry));
    file.Put(kRgt * kSectorSize + number * sizeof(Le32), Le32(entry));
  }
  // A grain full of `fill` at the file's end; returns its sector.
  uint32_t AppendGrain(uint8_t fill) {
    const uint64_t offset = file.size();
    file.Fill(offset, kGrainSize, fill);
    return static_cast<uint32_t>(offset / kSectorSize);
  }

  std::vector<std::byte> Bytes() const {
    ByteFile whole = file;
    whole.PutText(kDescriptor * kSectorSize, descriptor);
    whole.Put(0, header);
    return whole.bytes();
  }
  std::unique_ptr<MemoryFile> MakeFile() const { return std::make_unique<MemoryFile>(Bytes()); }

  SparseExtentHeader header{};
  std::string descriptor;
  ByteFile file;
};

// An ESX sparse extent: the header in sectors 0 to 3, the grain directory in 4, the table of its
// first entry in 5 to 36, grains from 40 on.
struct CowdFile {
  static constexpr uint64_t kGrainSectors = 1;
  static constexpr uint64_t kCapacity = 10'000;
  static constexpr uint64_t kGd = 4;
  static constexpr uint64_t kGt = 5;
  static constexpr uint64_t kFirstGrain = 40;

  CowdFile() {
    header.magicNumber = kCowdMagic;
    header.version = 1;
    header.flags = 3;
    header.numSectors = kCapacity;
    header.grainSize = kGrainSectors;
    header.gdOffset = kGd;
    header.numGDEntries = 3;
    header.freeSector = kFirstGrain;
    file.Put(kGd * kSectorSize, Le32(kGt));
    file.Resize(kFirstGrain * kSectorSize);
  }

  void SetGrain(uint64_t number, uint32_t entry) {
    file.Put(kGt * kSectorSize + number * sizeof(Le32), Le32(entry));
  }
  uint32_t AppendGrain(uint8_t fill) {
    const uint64_t offset = file.size();
    file.Fill(offset, kGrainSectors * kSectorSize, fill);
    return static_cast<uint32_t>(offset / kSectorSize);
  }
  std::vector<std::byte> Bytes() const {
    ByteFile whole = file;
    whole.Put(0, header);
    return whole.bytes();
  }

  CowdHeader header{};
  ByteFile file;
};

// An seSparse extent of two grain tables: the constant header in sector 0, the volatile one in 1,
// the grain directory in 4, the tables in 8 to 135, grains from 200 on.
struct SeSparseFile {
  static constexpr uint64_t kCapacity = 2 * 4096 * kSeSparseGrainSectors - 100;
  static constexpr uint64_t kGd = 4;
  static constexpr uint64_t kTables = 8;
  static constexpr uint64_t kGrains = 200;

  SeSparseFile() {
    header.magic = kSeSparseConstMagic;
    header.version = kSeSparseVersion;
    header.capacity = kCapacity;
    header.grain_size = kSeSparseGrainSectors;
    header.grain_table_size = kSeSparseGtSectors;
    header.volatile_header_offset = 1;
    header.volatile_header_size = 1;
    header.grain_dir_offset = kGd;
    header.grain_dir_size = 1;
    header.grain_tables_offset = kTables;
    header.grain_tables_size = 2 * kSeSparseGtSectors;
    header.grains_offset = kGrains;
    header.grains_size = kCapacity;
    volatile_header.magic = kSeSparseVolatileMagic;
    file.Resize(kGrains * kSectorSize);
  }

  void SetTable(uint64_t index, uint64_t entry) {
    file.Put(kGd * kSectorSize + index * sizeof(Le64), Le64(entry));
  }
  // Sets entry `number` of the file's grain table `table`.
  void SetGrain(uint64_t table, uint64_t number, uint64_t entry) {
    file.Put((kTables + table * kSeSparseGtSectors) * kSectorSize + number * sizeof(Le64),
             Le64(entry));
  }
  // Returns its entry.
  uint64_t AppendGrain(uint8_t fill) {
    const uint64_t size = kSeSparseGrainSectors * kSectorSize;
    const uint64_t number = (file.size() - kGrains * kSectorSize) / size;
    file.Fill(file.size(), size, fill);
    return kSeSparseGteAllocated | (number & 0xfff) << 48 | number >> 12;
  }
  std::vector<std::byte> Bytes() const {
    ByteFile whole = file;
    whole.Put(header.volatile_header_offset * kSectorSize, volatile_header);
    whole.Put(0, header);
    return whole.bytes();
  }

  SeSparseConstHeader header{};
  SeSparseVolatileHeader volatile_header{};
  ByteFile file;
};

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_TEST_IMAGE_H_
