#include "guest/formats/dmg/dmg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guest/formats/dmg/chunk_table.h"
#include "guest/formats/dmg/property_list.h"
#include "guest/formats/dmg/test_image.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::dmg {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = Extent::Kind;

class DmgTest : public testing::Test {
 protected:
  Result<std::unique_ptr<ImageReader>> Open(const OpenOptions& options = {}) {
    return OpenDmg(io_, files_.Add(image_.MakeFile()), options);
  }
  std::string OpenError() { return Open().status().message(); }
  Extent Map(ImageReader& reader, uint64_t offset, uint64_t length) {
    const auto extent = reader.Map(io_, offset, length);
    EXPECT_TRUE(extent.ok()) << extent.status().message();
    return extent.ok() ? *extent : Extent{};
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  TestImage image_;
};

TEST_F(DmgTest, ChunksOfAllTablesMakeTheDisk) {
  image_.SetTables({BlockTable({Entry(kZlib, 0, 20, 3000, 500), Entry(kComment, 0, 0, 0, 0)}, 80),
                    BlockTable({Entry(kRaw, 0, 10, 10240, 5120), Entry(kRaw, 10, 10, 15360, 5120),
                                Entry(kZero, 20, 30, 0, 0), Entry(kIgnore, 50, 30, 7, 9),
                                Entry(kEnd, 80, 0, 0, 0)})});
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  ASSERT_EQ((*reader)->virtual_size(), 100u * 512);

  const Extent raw = Map(**reader, 512, 99 * 512);
  const Extent zero = Map(**reader, 20 * 512, 80 * 512);
  const Extent packed = Map(**reader, 85 * 512, 10 * 512);

  EXPECT_EQ(raw.kind, Kind::kData);
  EXPECT_EQ(raw.offset, 10240u + 512);
  EXPECT_EQ(raw.length, 19u * 512);
  EXPECT_EQ(zero.kind, Kind::kZero);
  EXPECT_EQ(zero.length, 60u * 512);
  EXPECT_EQ(packed.kind, Kind::kCompressed);
  EXPECT_EQ(packed.compression, Compression::kZlib);
  EXPECT_EQ(packed.offset, 3000u);
  EXPECT_EQ(packed.compressed_size, 500u);
  EXPECT_EQ(packed.cluster_size, 20u * 512);
  EXPECT_EQ(packed.offset_in_cluster, 5u * 512);
  EXPECT_EQ(packed.length, 10u * 512);
}

TEST_F(DmgTest, DiskWhoseTrailerSaysNoSizeEndsWithItsLastChunk) {
  image_.trailer.sector_count = uint64_t{0};
  image_.SetTables({BlockTable({Entry(kRaw, 10, 10, 15360, 5120), Entry(kZero, 20, 30, 0, 0)}),
                    BlockTable({Entry(kRaw, 0, 10, 10240, 5120)})});
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_EQ((*reader)->virtual_size(), 50u * 512);
  EXPECT_EQ(Map(**reader, 0, 50 * 512).length, 20u * 512);
  EXPECT_EQ(Open({.max_virtual_size = 49 * 512}).status().code(), Code::kLimit);
}

TEST_F(DmgTest, TrailerAloneMakesADiskOfTheDataBeforeIt) {
  image_.trailer.sector_count = uint64_t{TestImage::kDataSize / 512};
  for (const uint64_t sectors : {TestImage::kDataSize / 512, uint64_t{0}}) {
    image_.trailer.sector_count = sectors;
    const auto reader = Open();
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    ASSERT_EQ((*reader)->virtual_size(), TestImage::kDataSize);
    const Extent extent = Map(**reader, 512, TestImage::kDataSize - 512);
    EXPECT_EQ(extent.kind, Kind::kData);
    EXPECT_EQ(extent.offset, 512u);
    EXPECT_EQ(extent.length, TestImage::kDataSize - 512);
  }
  image_.trailer.sector_count = uint64_t{100};
  EXPECT_THAT(OpenError(), HasSubstr("neither a property list nor a resource fork"));
}

TEST_F(DmgTest, ResourceForkIsReadAsWell) {
  image_.SetResourceFork({BlockTable({Entry(kRaw, 0, 100, 0, 51200)}), "something else"});
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_EQ(Map(**reader, 0, 100 * 512).length, 100u * 512);
}

TEST_F(DmgTest, ResourceForkThatLiesIsAnError) {
  image_.SetResourceFork({BlockTable({Entry(kRaw, 0, 100, 0, 51200)})});
  const std::string sound = image_.description;
  for (const size_t at : {0, 8, 256}) {
    image_.description = sound;
    image_.description.replace(at, 4, "\xff\xff\xff\xff");
    EXPECT_THAT(OpenError(), HasSubstr("the resource fork")) << at;
  }
  image_.description = sound;
  image_.description.replace(0, 4, std::string(4, '\0'));
  EXPECT_THAT(OpenError(), HasSubstr("overlap its header"));
}

TEST_F(DmgTest, SectorsThatNoChunkHoldsAreAnError) {
  image_.SetTables({BlockTable({Entry(kRaw, 0, 10, 0, 5120), Entry(kRaw, 20, 10, 5120, 5120)})});
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_EQ(Map(**reader, 0, 100 * 512).length, 5120u);
  for (const uint64_t sector : {10, 19, 30, 99}) {
    EXPECT_THAT((*reader)->Map(io_, sector * 512, 512).status().message(),
                HasSubstr("no chunk holds sector " + std::to_string(sector)));
  }
}

TEST_F(DmgTest, UnreadableChunksAreDescribedAndRefusedByName) {
  image_.SetTables({BlockTable({Entry(kLzfse, 0, 10, 0, 100), Entry(0x80000099, 10, 10, 100, 100),
                                Entry(kZlib, 20, 8192, 200, 100)})});
  image_.trailer.sector_count = uint64_t{9000};
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_THAT((*reader)->Describe().features,
              testing::ElementsAre("compression: zlib", "compression: LZFSE"));
  EXPECT_THAT((*reader)->Map(io_, 0, 512).status().message(), HasSubstr("LZFSE"));
  EXPECT_THAT((*reader)->Map(io_, 5120, 512).status().message(), HasSubstr("0x80000099"));
  EXPECT_THAT((*reader)->Map(io_, 10240, 512).status().message(), HasSubstr("4194304 bytes"));
}

TEST_F(DmgTest, LargeChunksAskForLargeBuffers) {
  image_.SetTables({BlockTable({Entry(kZlib, 0, 3000, 200, 100)})});
  image_.trailer.sector_count = uint64_t{3000};

  EXPECT_EQ((*Open())->Describe().cluster_size, 2u << 20);
}

TEST_F(DmgTest, ChunksThatLieAreErrors) {
  const struct {
    std::vector<ChunkEntry> entries;
    const char* error;
  } kCases[] = {
      {{Entry(kRaw, 91, 10, 0, 5120)}, "not on the disk"},
      {{Entry(kZero, 1, ~0ull, 0, 0)}, "not on the disk"},
      {{Entry(kZero, ~0ull, 2, 0, 0)}, "not on the disk"},
      {{Entry(kRaw, 0, 10, ~0ull, 5120)}, "past the end of the data"},
      {{Entry(kZlib, 0, 10, 0, 1 << 20)}, "past the end of the data"},
      {{Entry(kZlib, 0, 10, 0, 0)}, "10 sectors in 0 bytes"},
      {{Entry(kRaw, 0, 10, 0, 5119)}, "10 sectors in 5119 bytes"},
      {{Entry(kZero, 0, 10, 0, 0), Entry(kZero, 9, 10, 0, 0)}, "two chunks hold sector 9"},
      {{Entry(kZlib, 0, 10, 9, 10), Entry(kZlib, 10, 10, 0, 10)}, "claim the same data"},
  };
  for (const auto& one : kCases) {
    image_.SetTables({BlockTable(one.entries)});
    EXPECT_THAT(OpenError(), HasSubstr(one.error));
  }
}

TEST_F(DmgTest, TrailerThatLiesIsAnError) {
  image_.SetTables({BlockTable({Entry(kZero, 0, 100, 0, 0)})});
  const Trailer sound = image_.trailer;
  ASSERT_TRUE(Open().ok());
  const struct {
    void (*change)(Trailer&);
    const char* error;
  } kCases[] = {
      {[](Trailer& t) { t.signature = 0u; }, "does not end with a UDIF trailer"},
      {[](Trailer& t) { t.version = 5u; }, "version 5"},
      {[](Trailer& t) { t.header_size = 511u; }, "511 bytes"},
      {[](Trailer& t) { t.segment_count = 2u; }, "one of 2 segments"},
      {[](Trailer& t) { t.sector_count = 1ull << 54; }, "sectors is more than there can be"},
      {[](Trailer& t) { t.data_fork_offset = ~0ull; }, "the data fork"},
      {[](Trailer& t) { t.xml_offset = ~0ull; }, "the property list"},
      {[](Trailer& t) { t.xml_length = ~0ull; }, "the property list"},
      {[](Trailer& t) { t.xml_length = 0ull; }, "neither a property list nor a resource fork"},
      {[](Trailer& t) { t.rsrc_fork_length = ~0ull; }, "the resource fork"},
  };
  for (const auto& one : kCases) {
    image_.trailer = sound;
    one.change(image_.trailer);
    EXPECT_THAT(OpenError(), HasSubstr(one.error));
  }
}

TEST_F(DmgTest, EncryptedImageIsRefusedByName) {
  const std::string text = "encrcdsa" + std::string(1000, 'x');
  const auto bytes = std::as_bytes(std::span(text));
  const auto reader = OpenDmg(
      io_, files_.Add(std::make_unique<MemoryFile>(std::vector(bytes.begin(), bytes.end()))),
      {.describe_only = true});

  EXPECT_THAT(reader.status().message(), HasSubstr("encrypted"));
}

TEST_F(DmgTest, IsFoundByItsTrailer) {
  image_.SetTables({BlockTable({})});

  const auto format = ProbeFormat(io_, files_.Add(image_.MakeFile()));

  ASSERT_TRUE(format.ok());
  EXPECT_EQ((*format)->name, "dmg");
}

// A trailer that a guest wrote to the end of its disk describes what it likes.
TEST_F(DmgTest, IsNotFoundWhereMostOfTheFileIsNotDescribed) {
  for (const uint32_t type : {kRaw, kZlib, kZero}) {
    image_ = TestImage();
    image_.data = std::string(1 << 20, 'x');
    image_.SetTables({BlockTable({Entry(type, 0, 100, 0, 51200)})});
    image_.trailer.xml_offset = uint64_t{1 << 20};
    image_.trailer.data_fork_length = uint64_t{1 << 20};
    EXPECT_EQ((*ProbeFormat(io_, files_.Add(image_.MakeFile())))->name, "raw");
  }
  // A chunk of more bytes than its sectors explain does not describe the file either.
  image_.SetTables({BlockTable({Entry(kZlib, 0, 100, 0, 1 << 20)})});
  image_.trailer.xml_offset = uint64_t{1 << 20};
  EXPECT_EQ((*ProbeFormat(io_, files_.Add(image_.MakeFile())))->name, "raw");
}

// Feeds a property list in pieces of one size.
Status Scan(std::string_view text, size_t piece, ChunkTable& table) {
  PropertyListScanner scanner(table);
  for (size_t at = 0; at < text.size(); at += piece) {
    HOTCELL_RETURN_IF_ERROR(scanner.Feed(std::as_bytes(std::span(text.substr(at, piece)))));
  }
  HOTCELL_RETURN_IF_ERROR(scanner.Finish());
  return table.Finish();
}

TEST(PropertyListTest, PiecesOfAnySizeGiveTheSameTables) {
  const std::string list = PropertyList(
      {BlockTable({Entry(kZero, 0, 1, 0, 0)}), BlockTable({Entry(kRaw, 1, 2, 0, 1024)})});
  for (const size_t piece : {size_t{1}, size_t{7}, list.size()}) {
    ChunkTable table(100, 0, 1 << 20);
    const Status status = Scan(list, piece, table);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_THAT(table.chunks(), SizeIs(2));
  }
}

TEST(PropertyListTest, OnlyDataOfBlkxCount) {
  const std::string data = Base64(BlockTable({Entry(kZero, 0, 1, 0, 0)}));
  for (const std::string& list :
       {"<key>plst</key><array><dict><key>Data</key><data>" + data + "</data></dict></array>",
        "<key>blkx</key><array></array><array><key>Data</key><data>" + data + "</data></array>",
        "<key>blkx</key><array><key>Other</key><data>" + data + "</data></array>"}) {
    ChunkTable table(100, 0, 1 << 20);
    EXPECT_TRUE(Scan(list, 5, table).ok());
    EXPECT_THAT(table.chunks(), IsEmpty());
  }
}

TEST(PropertyListTest, DamageIsAnError) {
  const std::string table_bytes = BlockTable({Entry(kZero, 0, 1, 0, 0)});
  const std::string begin = "<key>blkx</key><array><dict><key>Data</key><data>";
  const struct {
    std::string data;
    const char* error;
  } kCases[] = {
      {Base64(table_bytes), "ends within a block table"},
      {"AAAA&lt;</data>", "not valid base64"},
      {"AA==AA</data>", "not valid base64"},
      {Base64(table_bytes.substr(0, table_bytes.size() - 1)) + "</data>", "1 entries before"},
  };
  for (const auto& one : kCases) {
    ChunkTable table(100, 0, 1 << 20);
    EXPECT_THAT(Scan(begin + one.data, 11, table).message(), HasSubstr(one.error));
  }
}

TEST(ChunkTableTest, HasALimit) {
  BlockTableHeader header = {};
  header.signature = kBlockTableSignature;
  header.chunk_count = uint32_t{UINT32_MAX};
  ChunkTable table(1ull << 40, 0, 0);
  table.BeginResource();
  ASSERT_TRUE(table.Feed(std::as_bytes(std::span(&header, 1))).ok());
  Status status;
  for (uint64_t i = 0; status.ok() && i <= kMaxChunks; ++i) {
    const ChunkEntry entry = Entry(kZero, i, 1, 0, 0);
    status = table.Feed(std::as_bytes(std::span(&entry, 1)));
  }
  EXPECT_EQ(status.code(), Code::kLimit);
  EXPECT_THAT(status.message(), HasSubstr("more than 262144 chunks"));
}

}  // namespace
}  // namespace hotcell::guest::dmg
