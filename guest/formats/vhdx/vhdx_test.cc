#include "guest/formats/vhdx/vhdx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/utf16.h"
#include "guest/formats/vhdx/crc32c.h"
#include "guest/formats/vhdx/guid.h"
#include "guest/formats/vhdx/log.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/formats/vhdx/vhdx_writer.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vhdx {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Kind = Extent::Kind;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Crc32cTest, IsThatOfRfc3720) {
  EXPECT_EQ(Crc32c({}), 0u);
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::vector<std::byte>(32)), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
}

TEST(Crc32cTest, GoesOnFromPieces) {
  EXPECT_EQ(Crc32c(Bytes("56789"), Crc32c(Bytes("1234"))), 0xe3069283u);
}

TEST(GuidTest, IsTextInTheOrderOfItsFields) {
  EXPECT_EQ(FormatGuid(kBatRegion), "2dc27766-f623-4200-9d64-115e9bfd4a08");
}

TEST(Utf16Test, BecomesUtf8OfAnyLength) {
  EXPECT_EQ(
      Utf8FromUtf16(Bytes({"a\0\xe9\0\xac\x20\x3d\xd8\x00\xde\0\0z\0", 14}), std::endian::little),
      "a\u00e9\u20ac\U0001f600");
  EXPECT_EQ(Utf8FromUtf16(Bytes({"\xd8\x3d\0b\xde\0\0c\0", 9}), std::endian::big),
            "\ufffdb\ufffdc");
}

// A file of three MiB whose every byte says where it is, and a log's replay over it.
class LoggedFileTest : public testing::Test {
 protected:
  LoggedFileTest() {
    std::vector<std::byte> bytes(3 << 20);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = At(i);
    file_ = files_.Add(std::make_unique<MemoryFile>(std::move(bytes)));
  }
  static std::byte At(uint64_t offset) { return std::byte((offset * 7 + (offset >> 12)) % 251); }

  NativeFiles files_;
  NativeChannel io_{files_};
  FileHandle file_;
};

TEST_F(LoggedFileTest, SectorsComeFromTheLogAndItsDescriptors) {
  LoggedFile file(
      file_,
      {.ranges =
           {{.begin = 8192, .end = 12288, .zero = false, .descriptor = 1 << 20, .sector = 2 << 20}},
       .last_file_offset = 0,
       .entries = 1});
  std::vector<std::byte> read(3 * 4096);
  ASSERT_TRUE(file.Read(io_, 4096, read, "it").ok());

  EXPECT_EQ(read[4095], At(8191));
  EXPECT_EQ(read[4096], At((1 << 20) + offsetof(LogDescriptor, LeadingBytes)));
  EXPECT_EQ(read[4096 + 7], At((1 << 20) + offsetof(LogDescriptor, LeadingBytes) + 7));
  EXPECT_EQ(read[4096 + 8], At((2 << 20) + 8));
  EXPECT_EQ(read[4096 + 4091], At((2 << 20) + 4091));
  EXPECT_EQ(read[4096 + 4092], At((1 << 20) + offsetof(LogDescriptor, TrailingBytes)));
  EXPECT_EQ(read[8191], At((1 << 20) + offsetof(LogDescriptor, TrailingBytes) + 3));
  EXPECT_EQ(read[8192], At(12288));
}

TEST_F(LoggedFileTest, ReadsZeroesWhereTheFileGrows) {
  LoggedFile file(file_, {.ranges = {}, .last_file_offset = 4 << 20, .entries = 1});
  std::vector<std::byte> read(2);

  EXPECT_EQ(file.size(), 4u << 20);
  ASSERT_TRUE(file.Read(io_, (3 << 20) - 1, read, "it").ok());
  EXPECT_EQ(read[0], At((3 << 20) - 1));
  EXPECT_EQ(read[1], std::byte{0});
  EXPECT_EQ(file.Locate(3 << 20, 100).kind, Kind::kZero);
  EXPECT_FALSE(file.Read(io_, (4 << 20) - 1, read, "it").ok());
}

// Images that the writer made, some bytes of which are then changed.
class VhdxTest : public testing::Test {
 protected:
  static constexpr uint64_t kMetadata = 2 << 20;
  static constexpr uint64_t kBat = 3 << 20;
  static constexpr uint64_t kDiskSize = 40 << 20;

  // An image of 5 blocks of 8 MiB, of which 1 and 3 are there.
  std::vector<std::byte> MakeImage() {
    const FileHandle file = files_.Add(std::make_unique<MemoryFile>());
    const auto writer = CreateVhdx(io_, {.slot = file.slot, .virtual_size = kDiskSize});
    EXPECT_TRUE(writer.ok());
    ScopedBuffer buffer(io_);
    Chunk chunk;
    for (const uint64_t offset : {8u << 20, 24u << 20}) {
      chunk.runs.push_back({.kind = Run::Kind::kData,
                            .offset = offset,
                            .length = 4096,
                            .data = buffer.data(),
                            .size = 4096});
    }
    EXPECT_TRUE((*writer)->Place(io_, chunk).ok());
    EXPECT_TRUE((*writer)->Finish(io_).ok());
    NativeFile* const made = files_.file(file.slot);
    std::vector<std::byte> bytes(made->size());
    made->Read(0, bytes);
    return bytes;
  }
  FileHandle Add(std::vector<std::byte> bytes) {
    return files_.Add(std::make_unique<MemoryFile>(std::move(bytes)));
  }
  static void SetEntry(std::vector<std::byte>& bytes, uint64_t index, uint64_t entry) {
    const Le64 stored(entry);
    std::memcpy(bytes.data() + kBat + index * 8, &stored, sizeof(stored));
  }

  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(VhdxTest, AdjacentBlocksComeAsOneExtent) {
  std::vector<std::byte> bytes = MakeImage();
  SetEntry(bytes, 2, (12 << 20) | kBlockFullyPresent);
  SetEntry(bytes, 3, kBlockNotPresent);
  const auto reader = OpenVhdx(io_, Add(bytes), {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto hole = (*reader)->Map(io_, 100, kDiskSize - 100);
  const auto data = (*reader)->Map(io_, 9 << 20, kDiskSize - (9 << 20));
  const auto end = (*reader)->Map(io_, 24 << 20, 16 << 20);

  EXPECT_EQ(hole->kind, Kind::kZero);
  EXPECT_EQ(hole->length, (8u << 20) - 100);
  EXPECT_EQ(data->kind, Kind::kData);
  EXPECT_EQ(data->offset, 5u << 20);
  EXPECT_EQ(data->length, 15u << 20);
  EXPECT_EQ(end->kind, Kind::kZero);
  EXPECT_EQ(end->length, 16u << 20);
}

TEST_F(VhdxTest, SoundImageChecksClean) {
  const auto result = CheckVhdx(io_, Add(MakeImage()), {});
  ASSERT_TRUE(result.ok()) << result.status().message();

  EXPECT_THAT(result->findings, IsEmpty());
  EXPECT_EQ(result->total_clusters, 5u);
  EXPECT_EQ(result->allocated_clusters, 2u);
}

TEST_F(VhdxTest, CheckFindsBlocksThatOverlap) {
  std::vector<std::byte> bytes = MakeImage();
  SetEntry(bytes, 2, (5 << 20) | kBlockFullyPresent);
  SetEntry(bytes, 4, (1 << 20) | kBlockFullyPresent);
  SetEntry(bytes, 0, kBlockReserved);
  const auto result = CheckVhdx(io_, Add(bytes), {});
  ASSERT_TRUE(result.ok()) << result.status().message();

  // Block 2 overlaps 1 and 3, block 4 the log; the state of block 0 means nothing.
  EXPECT_EQ(result->corruptions, 4u);
  EXPECT_EQ(result->leaks, 0u);
}

TEST_F(VhdxTest, CheckFindsSpaceThatIsLost) {
  std::vector<std::byte> bytes = MakeImage();
  SetEntry(bytes, 3, kBlockZero);
  const auto last = CheckVhdx(io_, Add(bytes), {});
  EXPECT_EQ(last->leaks, 1u);
  EXPECT_EQ(last->corruptions, 0u);

  // Once no block is left, all of the space is lost.
  SetEntry(bytes, 1, kBlockZero);
  EXPECT_EQ(CheckVhdx(io_, Add(bytes), {})->leaks, 2u);
}

TEST_F(VhdxTest, CheckTellsOfCopiesThatAreDamaged) {
  std::vector<std::byte> bytes = MakeImage();
  bytes[kHeaderOffsets[0] + 100] ^= std::byte{1};
  bytes[kRegionTableOffsets[1] + 100] ^= std::byte{1};
  const auto result = CheckVhdx(io_, Add(bytes), {});
  ASSERT_TRUE(result.ok()) << result.status().message();

  EXPECT_EQ(result->corruptions, 2u);
}

TEST_F(VhdxTest, LastBlockMayEndWithTheDisk) {
  std::vector<std::byte> bytes = MakeImage();
  const Le64 size(kDiskSize - (7 << 20));
  std::memcpy(bytes.data() + kMetadata + kMetadataTableSize + sizeof(FileParameters), &size, 8);
  SetEntry(bytes, 3, kBlockZero);
  SetEntry(bytes, 4, (12 << 20) | kBlockFullyPresent);
  bytes.resize(13 << 20);
  const auto reader = OpenVhdx(io_, Add(bytes), {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_TRUE((*reader)->Map(io_, 32 << 20, 1 << 20).ok());
  bytes.resize((13 << 20) - 1);
  const auto shorter = OpenVhdx(io_, Add(bytes), {});
  ASSERT_TRUE(shorter.ok()) << shorter.status().message();
  EXPECT_THAT((*shorter)->Map(io_, 32 << 20, 1 << 20).status().message(),
              HasSubstr("reaches past the end"));
}

}  // namespace
}  // namespace hotcell::guest::vhdx
