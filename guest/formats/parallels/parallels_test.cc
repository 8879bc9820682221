#include "guest/formats/parallels/parallels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "guest/formats/parallels/on_disk.h"
#include "guest/formats/parallels/test_image.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::parallels {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = Extent::Kind;

class ParallelsTest : public testing::Test {
 protected:
  Result<std::unique_ptr<ImageReader>> Open(const OpenOptions& options = {}) {
    return OpenParallels(io_, files_.Add(image_.MakeFile()), options);
  }
  Extent Map(ImageReader& reader, uint64_t offset, uint64_t length) {
    const auto extent = reader.Map(io_, offset, length);
    EXPECT_TRUE(extent.ok()) << extent.status().message();
    return extent.ok() ? *extent : Extent{};
  }
  CheckResult Check() {
    const auto result = CheckParallels(io_, files_.Add(image_.MakeFile()), {});
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? *result : CheckResult{};
  }
  std::vector<std::string> CheckTexts() {
    std::vector<std::string> texts;
    for (const CheckFinding& finding : Check().findings) texts.push_back(finding.text);
    return texts;
  }
  void AddExtension(std::vector<uint64_t> words) {
    image_.header.ext_off = uint64_t{5 * kTracks};
    image_.file_size = 6 * kCluster;
    image_.extension = std::move(words);
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  TestImage image_;
};

TEST_F(ParallelsTest, EntriesOfTheExtendedKindCountClusters) {
  image_.bat = {0, 2, 3, 1};
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const Extent hole = Map(**reader, 0, 4 * kCluster);
  const Extent data = Map(**reader, kCluster + 512, 3 * kCluster - 512);

  EXPECT_EQ(hole.kind, Kind::kUnallocated);
  EXPECT_EQ(hole.length, kCluster);
  EXPECT_EQ(data.kind, Kind::kData);
  EXPECT_EQ(data.offset, 2 * kCluster + 512);
  EXPECT_EQ(data.length, 2 * kCluster - 512);
}

TEST_F(ParallelsTest, EntriesOfTheOldKindCountSectors) {
  image_.SetMagic(kMagic);
  image_.header.data_off = 0u;
  image_.bat = {1, 1 + kTracks, 0, 0};
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const Extent data = Map(**reader, 0, 4 * kCluster);

  EXPECT_EQ(data.offset, 512u);
  EXPECT_EQ(data.length, 2 * kCluster);
}

TEST_F(ParallelsTest, OldKindTakesTheLowerHalfOfTheSize) {
  image_.SetMagic(kMagic);
  image_.header.nb_sectors = 0x1234'0000'0000 + 100;

  const auto reader = Open();

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ((*reader)->virtual_size(), 100u * 512);
}

TEST_F(ParallelsTest, ImageInUseIsDirty) {
  image_.header.in_use = kInUse;

  const auto reader = Open({.describe_only = true});

  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE((*reader)->Describe().dirty);
  EXPECT_THAT((*reader)->Describe().warnings, ElementsAre(HasSubstr("in use")));
  EXPECT_THAT(CheckTexts(), testing::Contains(HasSubstr("not closed correctly")));
}

TEST_F(ParallelsTest, ClustersThatOverlapAreAnError) {
  image_.SetMagic(kMagic);
  image_.bat = {kTracks, 2 * kTracks, 0, 2 * kTracks + 1};
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  EXPECT_EQ(Map(**reader, 0, 4 * kCluster).length, 2 * kCluster);
  EXPECT_THAT((*reader)->Map(io_, 3 * kCluster, 1).status().message(),
              HasSubstr("BAT entries 1 and 3 claim the same data"));
}

TEST_F(ParallelsTest, ClusterOnTheBatIsAnError) {
  image_.SetMagic(kMagic);
  image_.header.nb_bat_entries = 200u;
  image_.bat.assign(200, 1);
  const auto reader = Open();
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_THAT((*reader)->Map(io_, 0, 1).status().message(), HasSubstr("on the header or the BAT"));
}

TEST_F(ParallelsTest, ClusterPastTheEndOfTheFileIsAnError) {
  image_.bat[0] = 0xffffffff;
  const auto reader = Open();
  ASSERT_TRUE(reader.ok());

  EXPECT_THAT((*reader)->Map(io_, 0, 1).status().message(), HasSubstr("past the end of the file"));
}

TEST_F(ParallelsTest, DirtyBitmapsAreNamedAndPassedOver) {
  AddExtension({kExtensionMagic, 0, 0, kFeatureDirtyBitmap, 1, 5, 7, kFeatureEnd, 0, 0});

  const auto reader = Open();

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().features, testing::Contains("dirty bitmap"));
}

TEST_F(ParallelsTest, UnknownExtensionIsRefusedWhereItIsNecessary) {
  AddExtension({kExtensionMagic, 0, 0, 0x1234, 0, 0, kFeatureEnd, 0, 0});
  EXPECT_TRUE(Open().ok());
  AddExtension({kExtensionMagic, 0, 0, 0x1234, kFeatureNecessary, 0, kFeatureEnd, 0, 0});
  EXPECT_THAT(Open().status().message(), HasSubstr("unknown format extension 0x1234"));
}

TEST_F(ParallelsTest, DamagedExtensionIsAnError) {
  AddExtension({1});
  EXPECT_THAT(Open().status().message(), HasSubstr("bad magic"));
  AddExtension({kExtensionMagic, 0, 0, kFeatureDirtyBitmap, 0, 0xffffffff});
  EXPECT_THAT(Open().status().message(), HasSubstr("format extension"));
  image_.header.ext_off = ~0ull;
  EXPECT_THAT(Open().status().message(), HasSubstr("past the end"));
  image_.header.ext_off = ~0ull >> 9;
  EXPECT_THAT(Open().status().message(), HasSubstr("past the end"));
}

TEST_F(ParallelsTest, ExtensionWithoutEndIsRefused) {
  image_.header.tracks = 2048u;
  image_.header.nb_sectors = 2048u;
  image_.header.ext_off = 2048u;
  image_.file_size = 2 << 20;
  image_.extension.assign(4 * 1024, 0x1234);
  image_.extension[0] = kExtensionMagic;
  for (size_t i = 3; i + 3 <= image_.extension.size(); i += 3) {
    image_.extension[i + 1] = image_.extension[i + 2] = 0;
  }

  EXPECT_THAT(Open().status().message(), HasSubstr("more than 1024 features"));
}

struct BadHeader {
  const char* name;
  std::function<void(Header&)> change;
  const char* error;
};

void PrintTo(const BadHeader& bad, std::ostream* out) { *out << bad.name; }

class ParallelsHeaderTest : public ParallelsTest, public testing::WithParamInterface<BadHeader> {};

TEST_P(ParallelsHeaderTest, IsRefusedByName) {
  GetParam().change(image_.header);

  const auto reader = Open();

  ASSERT_FALSE(reader.ok());
  EXPECT_THAT(reader.status().message(), testing::StartsWith("parallels: "));
  EXPECT_THAT(reader.status().message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Parallels, ParallelsHeaderTest,
    testing::Values(
        BadHeader{"magic", [](Header& h) { h.magic[0] = 'w'; }, "magic"},
        BadHeader{"version", [](Header& h) { h.version = 3u; }, "version 3"},
        BadHeader{"zero_tracks", [](Header& h) { h.tracks = 0u; }, "zero sectors"},
        BadHeader{"huge_tracks", [](Header& h) { h.tracks = ~0u; }, "clusters of 4294967295"},
        BadHeader{"huge_bat", [](Header& h) { h.nb_bat_entries = 1u << 31; }, "2147483648 entries"},
        BadHeader{"bat_past_end", [](Header& h) { h.nb_bat_entries = 1u << 20; }, "past the end"},
        BadHeader{"bat_too_small", [](Header& h) { h.nb_bat_entries = 3u; }, "only 3 entries"},
        BadHeader{"size", [](Header& h) { h.nb_sectors = ~0ull; }, "18446744073709551615 sectors"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ParallelsTest, HeaderCutShortIsAnError) {
  image_.file_size = 63;

  EXPECT_THAT(Open().status().message(), HasSubstr("parallels: the header"));
}

TEST_F(ParallelsTest, CheckCountsClusters) {
  image_.bat = {1, 2, 4, 3};

  const CheckResult result = Check();

  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.total_clusters, 4u);
  EXPECT_EQ(result.allocated_clusters, 4u);
  EXPECT_EQ(result.fragmented_clusters, 2u);
  EXPECT_EQ(result.image_end_offset, 5 * kCluster);
}

TEST_F(ParallelsTest, CheckFindsWhatIsWrongWithTheBat) {
  image_.SetMagic(kMagic);
  image_.header.data_off = kTracks;
  image_.bat = {kTracks, 2, kTracks + 5, 4 * kTracks + 1};

  EXPECT_THAT(CheckTexts(),
              ElementsAre(HasSubstr("cluster 1 is before the data area"),
                          HasSubstr("duplicate offset in BAT entry 2"),
                          HasSubstr("cluster 3 is outside image"), HasSubstr("leaked")));
}

TEST_F(ParallelsTest, CheckCountsLeaksInClusters) {
  image_.bat = {1, 0, 0, 0};
  image_.file_size = 4 * kCluster + 1;

  const CheckResult result = Check();

  EXPECT_EQ(result.leaks, 3u);
  EXPECT_EQ(result.image_end_offset, 2 * kCluster);
}

TEST_F(ParallelsTest, CheckFindsAWrongDataOffset) {
  image_.header.data_off = 0u;
  image_.bat = {1, 2, 3, 4};

  EXPECT_THAT(CheckTexts(), ElementsAre(HasSubstr("data_off")));
}

TEST_F(ParallelsTest, SpaceBehindTheLastClusterMayBeTheExtensions) {
  AddExtension({kExtensionMagic, 0, 0, kFeatureEnd, 0, 0});
  image_.bat = {1, 2, 3, 4};

  EXPECT_THAT(CheckTexts(), IsEmpty());
}

TEST_F(ParallelsTest, SpaceBehindTheExtensionAndItsBitmapsIsLost) {
  constexpr uint64_t kDataSize = 32 + 3 * 8;
  const auto extension = [](uint64_t feature) {
    return std::vector<uint64_t>{kExtensionMagic,
                                 0,
                                 0,
                                 feature,
                                 0,
                                 kDataSize,
                                 4 * kTracks,
                                 0,
                                 0,
                                 7 | uint64_t{3} << 32,
                                 0,
                                 1,
                                 6 * kTracks,
                                 kFeatureEnd,
                                 0,
                                 0};
  };
  AddExtension(extension(kFeatureDirtyBitmap));
  image_.bat = {1, 2, 3, 4};
  image_.file_size = 9 * kCluster;
  EXPECT_EQ(Check().leaks, 2u);

  AddExtension(extension(0x1234));  // whose clusters nobody knows
  image_.file_size = 9 * kCluster;
  EXPECT_EQ(Check().leaks, 0u);
}

}  // namespace
}  // namespace hotcell::guest::parallels
