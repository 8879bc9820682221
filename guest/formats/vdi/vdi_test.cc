#include "guest/formats/vdi/vdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "guest/formats/vdi/on_disk.h"
#include "guest/formats/vdi/test_image.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vdi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = Extent::Kind;

class VdiTest : public testing::Test {
 protected:
  Result<std::unique_ptr<ImageReader>> Open(const OpenOptions& options = {}) {
    return OpenVdi(io_, files_.Add(image_.MakeFile()), options);
  }
  Extent Map(ImageReader& reader, uint64_t offset, uint64_t length) {
    const auto extent = reader.Map(io_, offset, length);
    EXPECT_TRUE(extent.ok()) << extent.status().message();
    return extent.ok() ? *extent : Extent{};
  }
  CheckResult Check() {
    const auto result = CheckVdi(io_, files_.Add(image_.MakeFile()), {});
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? *result : CheckResult{};
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  TestImage image_;
};

TEST_F(VdiTest, UnallocatedAndDiscardedBlocksAreOneHole) {
  image_.map[1] = image_.map[2] = kDiscarded;
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  const Extent extent = Map(**reader, 100, 4 * kBlockSize - 100);

  EXPECT_EQ(extent.kind, Kind::kUnallocated);
  EXPECT_EQ(extent.length, 4 * kBlockSize - 100);
}

TEST_F(VdiTest, BlocksThatFollowEachOtherInTheFileAreOneExtent) {
  image_.map = {2, 0, 1, 3};
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  const Extent first = Map(**reader, 512, 4 * kBlockSize - 512);
  const Extent second = Map(**reader, kBlockSize, 3 * kBlockSize);

  EXPECT_EQ(first.offset, kData + 2 * kBlockSize + 512);
  EXPECT_EQ(first.length, kBlockSize - 512);
  EXPECT_EQ(second.kind, Kind::kData);
  EXPECT_EQ(second.offset, kData);
  EXPECT_EQ(second.length, 2 * kBlockSize);
}

TEST_F(VdiTest, SizeIsRoundedUpToASector) {
  image_.header.disk_size = kBlockSize + 1;

  const auto reader = Open();

  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->virtual_size(), kBlockSize + 512);
}

TEST_F(VdiTest, DescribesItsType) {
  image_.header.image_type = kTypeStatic;

  const auto reader = Open({.describe_only = true});

  ASSERT_TRUE(reader.ok());
  const ImageDescription description = (*reader)->Describe();
  EXPECT_EQ(description.format, "vdi");
  EXPECT_EQ(description.variant, "static");
  EXPECT_EQ(description.cluster_size, kBlockSize);
}

TEST_F(VdiTest, BlockClaimedTwiceIsAnErrorAtTheSecondClaim) {
  image_.map = {0, kUnallocated, 0, kUnallocated};
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  EXPECT_EQ(Map(**reader, 0, 4 * kBlockSize).length, kBlockSize);
  EXPECT_THAT((*reader)->Map(io_, 2 * kBlockSize, 1).status().message(),
              HasSubstr("blocks 0 and 2 of the disk claim the same block 0"));
}

TEST_F(VdiTest, BlockPastTheEndOfTheFileIsAnError) {
  image_.map = {0, 1, 2, 3};
  image_.file_size = kData + 4 * kBlockSize - 1;
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  EXPECT_EQ(Map(**reader, 0, 4 * kBlockSize).length, 3 * kBlockSize);
  EXPECT_THAT((*reader)->Map(io_, 3 * kBlockSize, kBlockSize).status().message(),
              HasSubstr("past the end of the file"));
}

TEST_F(VdiTest, MapIsReadOnceHoweverOftenItIsAskedFor) {
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());
  const uint64_t before = io_.request_count();

  for (int i = 0; i < 4; ++i) Map(**reader, i * kBlockSize, kBlockSize);

  EXPECT_EQ(io_.request_count() - before, 1u);
}

TEST_F(VdiTest, BigMapIsReadInPieces) {
  constexpr uint32_t kBlocks = 100000;
  image_.header.blocks_in_image = kBlocks;
  image_.header.disk_size = kBlocks * kBlockSize;
  image_.header.offset_data = uint32_t{1 << 20};
  image_.map.assign(kBlocks, kUnallocated);
  image_.map[70000] = 0;
  image_.file_size = (1 << 20) + kBlockSize;
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  const Extent hole = Map(**reader, 0, kBlocks * kBlockSize);
  const Extent data = Map(**reader, 70000 * kBlockSize, kBlockSize);

  EXPECT_EQ(hole.length, 70000 * kBlockSize);
  EXPECT_EQ(data.offset, 1u << 20);
}

struct BadHeader {
  const char* name;
  std::function<void(Header&)> change;
  const char* error;
};

void PrintTo(const BadHeader& bad, std::ostream* out) { *out << bad.name; }

class VdiHeaderTest : public VdiTest, public testing::WithParamInterface<BadHeader> {};

TEST_P(VdiHeaderTest, IsRefusedByName) {
  GetParam().change(image_.header);

  const auto reader = Open();

  ASSERT_FALSE(reader.ok());
  EXPECT_THAT(reader.status().message(), testing::StartsWith("vdi: "));
  EXPECT_THAT(reader.status().message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Vdi, VdiHeaderTest,
    testing::Values(
        BadHeader{"magic", [](Header& h) { h.signature = 1u; }, "magic"},
        BadHeader{"version", [](Header& h) { h.version = 0x20003u; }, "version 2.3"},
        BadHeader{"undo", [](Header& h) { h.image_type = kTypeUndo; }, "undo image"},
        BadHeader{"difference", [](Header& h) { h.image_type = kTypeDiff; }, "differencing image"},
        BadHeader{"type", [](Header& h) { h.image_type = 9u; }, "image type 9"},
        BadHeader{"link", [](Header& h) { h.uuid_link.bytes[15] = std::byte{1}; }, "link UUID"},
        BadHeader{"parent", [](Header& h) { h.uuid_parent.bytes[0] = std::byte{1}; },
                  "parent UUID"},
        BadHeader{"sector_size", [](Header& h) { h.sector_size = 4096u; }, "sectors of 4096"},
        BadHeader{"block_size", [](Header& h) { h.block_size = 0u; }, "blocks of 0"},
        BadHeader{"block_extra", [](Header& h) { h.block_extra = 512u; }, "extra bytes"},
        BadHeader{"map_unaligned", [](Header& h) { h.offset_bmap = 513u; }, "boundary"},
        BadHeader{"map_on_header", [](Header& h) { h.offset_bmap = 0u; }, "overlaps the header"},
        BadHeader{"map_past_end", [](Header& h) { h.offset_bmap = 0xfffffe00u; }, "past the end"},
        BadHeader{"data_on_map", [](Header& h) { h.offset_data = 512u; }, "overlaps the block map"},
        BadHeader{"too_few_blocks", [](Header& h) { h.blocks_in_image = 3u; }, "only 3 blocks"},
        BadHeader{"too_many_blocks", [](Header& h) { h.blocks_in_image = 0x20000000u; },
                  "more than the supported"},
        BadHeader{"size", [](Header& h) { h.disk_size = ~0ull; }, "18446744073709551615"}),
    [](const auto& test) { return test.param.name; });

TEST_F(VdiTest, HeaderCutShortIsAnError) {
  const auto reader = OpenVdi(io_, files_.Add(std::make_unique<MemoryFile>()), {});

  EXPECT_THAT(reader.status().message(), HasSubstr("vdi: the header"));
}

TEST_F(VdiTest, CheckFindsNothingInAWholeImage) {
  image_.map = {1, kUnallocated, 0, kDiscarded};
  image_.header.blocks_allocated = 2u;

  EXPECT_THAT(Check().findings, testing::IsEmpty());
}

TEST_F(VdiTest, CheckCountsWhatIsWrong) {
  image_.map = {0, 0, 9, 3};
  image_.header.blocks_allocated = 2u;
  image_.file_size -= 512;

  const CheckResult result = Check();

  EXPECT_EQ(result.corruptions, 4u);
  std::vector<std::string> texts;
  for (const CheckFinding& finding : result.findings) texts.push_back(finding.text);
  EXPECT_THAT(texts, ElementsAre(HasSubstr("index 1 uses block 0"), HasSubstr("index 2 too large"),
                                 HasSubstr("index 3 is past the end"),
                                 HasSubstr("mismatch, is 3, should be 2")));
}

}  // namespace
}  // namespace hotcell::guest::vdi
