// What the checker finds beyond qemu-img, and its limits.
#include "guest/formats/qcow2/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "guest/formats/qcow2/test_image.h"

namespace hotcell::guest::qcow2 {
namespace {

constexpr uint64_t kRefcountBlock = 2 * TestImage::kClusterSize;

class CheckerTest : public testing::Test {
 protected:
  // Sound: clusters 0 to 4 have one reference each.
  CheckerTest() {
    image_.SetWord(TestImage::kRefcountTable, kRefcountBlock);
    for (uint64_t cluster = 0; cluster < 5; ++cluster) SetRefcount(cluster, 1);
  }

  void SetRefcount(uint64_t cluster, uint16_t count) {
    image_.SetBytes(kRefcountBlock + cluster * 2, Be16(count));
  }
  Result<CheckResult> Check() {
    const FileHandle file = files_.Add(image_.MakeFile());
    return CheckQcow2(io_, file, {});
  }

  TestImage image_;
  NativeFiles files_;
  NativeChannel io_{files_};
};

MATCHER_P(FindsOnly, text, "") {
  return arg.ok() && arg->corruptions == 1 && arg->leaks == 0 && arg->check_errors == 0 &&
         arg->findings.size() == 1 && arg->findings[0].text == text;
}

TEST_F(CheckerTest, SoundImageHasNoFindings) {
  const auto result = Check();

  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->findings.empty());
  EXPECT_EQ(result->image_end_offset, TestImage::kEnd);
  EXPECT_EQ(result->total_clusters, 16u);
  EXPECT_EQ(result->allocated_clusters, 0u);
}

TEST_F(CheckerTest, ClusterInUseWithoutAPlaceIsCountedAndNoFinding) {
  image_.SetL2(0, kEntryCopied);
  const auto result = Check();

  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->findings.empty());
  EXPECT_GT(result->doubtful_entries, 0u);

  image_.SetL2(0, kEntryZero);
  EXPECT_EQ(Check()->doubtful_entries, 0u);
}

TEST_F(CheckerTest, DataOnTheL1TableIsFoundThoughItsRefcountFits) {
  image_.SetL2(0, TestImage::kL1);
  SetRefcount(3, 2);

  EXPECT_THAT(Check(), FindsOnly("ERROR cluster 3 of the L1 table has 2 references"));
}

TEST_F(CheckerTest, DataOnAnL2TableIsFoundThoughItsRefcountFits) {
  image_.SetL1(0, TestImage::kL2);
  image_.SetL2(0, TestImage::kL2);
  SetRefcount(4, 2);

  EXPECT_THAT(Check(), FindsOnly("ERROR cluster 4 of an L2 table has 2 references, 1 of them from "
                                 "L1 tables"));
}

TEST_F(CheckerTest, BitmapTableEntryThatIsNotValidIsNamed) {
  const uint64_t directory = image_.AppendCluster(0);
  const uint64_t table = image_.AppendCluster(0);
  image_.header().autoclear_features = kAutoclearBitmaps;
  const BitmapsExtension extension = {.nb_bitmaps = 1,
                                      .reserved = {},
                                      .bitmap_directory_size = 32,
                                      .bitmap_directory_offset = directory};
  image_.AddExtension(kExtensionBitmaps,
                      {reinterpret_cast<const char*>(&extension), sizeof(extension)});
  BitmapDirectoryEntry entry{};
  entry.bitmap_table_offset = table;
  entry.bitmap_table_size = 1;
  entry.type = 1;
  entry.granularity_bits = 16;
  entry.name_size = 1;
  image_.SetBytes(directory, entry);
  image_.SetText(directory + sizeof(entry), "b");
  image_.SetWord(table, 0x10001);
  SetRefcount(5, 1);
  SetRefcount(6, 1);

  EXPECT_THAT(Check(), FindsOnly("ERROR bitmap 'b' table entry 0 is not valid: 10001"));
}

TEST_F(CheckerTest, TextsAreBoundedAndCountsAreNot) {
  image_.Resize(1200 * TestImage::kClusterSize);
  for (uint64_t cluster = 5; cluster < 1200; ++cluster) SetRefcount(cluster, 1);

  const auto result = Check();

  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->leaks, 1195u);
  EXPECT_EQ(result->findings.size(), CheckResult::kMaxFindings);
  EXPECT_EQ(result->findings[0].text, "Leaked cluster 5 refcount=1 reference=0");
}

TEST_F(CheckerTest, SnapshotL1TablesThatOverlapAreAnError) {
  const uint64_t table = image_.AppendCluster(0);
  const uint64_t l1 = image_.AppendCluster(0);
  image_.Resize(16 << 20);
  image_.header().snapshots_offset = table;
  image_.header().nb_snapshots = 32;
  for (uint64_t i = 0; i < 32; ++i) {
    SnapshotEntry entry{};
    entry.l1_table_offset = l1;
    entry.l1_size = 4 << 20;
    image_.SetBytes(table + i * sizeof(entry), entry);
  }

  const auto result = Check();

  EXPECT_EQ(result.status().code(), Code::kCorruptImage);
  EXPECT_THAT(result.status().message(), testing::HasSubstr("they overlap"));
}

TEST_F(CheckerTest, HeaderThatCannotBeReadIsAnError) {
  image_.header().cluster_bits = 8;

  EXPECT_EQ(Check().status().code(), Code::kUnsupported);
}

TEST_F(CheckerTest, FailedReadIsAnError) {
  const FileHandle file = files_.Add(image_.MakeFile());
  files_.set_fault_hook([](const NativeRequest& request) -> std::optional<IoResult> {
    if (request.offset != TestImage::kL2) return std::nullopt;
    return IoResult{.status = IoStatus::kIoError, .value = 5};
  });

  EXPECT_EQ(CheckQcow2(io_, file, {}).status().code(), Code::kIo);
}

}  // namespace
}  // namespace hotcell::guest::qcow2
