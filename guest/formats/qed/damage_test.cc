// Each rule that a QED image can break, and the words in which its owner hears of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "guest/formats/qed/on_disk.h"
#include "guest/formats/qed/qed.h"
#include "guest/formats/qed/test_image.h"
#include "guest/formats/testing/disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::qed {
namespace {

// Opens the image and reads its first MiB.
Status ReadAll(const TestImage& image) {
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);
  auto reader = OpenQed(io, file, {.max_virtual_size = 64 << 20});
  if (!reader.ok()) return reader.status();
  DiskReader disk(
      io, [&](uint64_t offset, uint64_t length) { return (*reader)->Map(io, offset, length); });
  return disk.Read(0, std::min<uint64_t>((*reader)->virtual_size(), 1 << 20)).status();
}

struct Damage {
  std::string name;
  std::function<void(TestImage&)> apply;
  Code code;
  std::string message;  // a part of it
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class QedDamageTest : public testing::TestWithParam<Damage> {};

TEST_P(QedDamageTest, IsToldToTheImagesOwner) {
  TestImage image;
  ASSERT_TRUE(ReadAll(image).ok());

  GetParam().apply(image);

  const Status status = ReadAll(image);
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_THAT(status.message(), testing::HasSubstr(GetParam().message));
}

constexpr uint64_t kCluster = TestImage::kCluster;
constexpr Code kCorrupt = Code::kCorruptImage;

INSTANTIATE_TEST_SUITE_P(
    Qed, QedDamageTest,
    testing::Values(
        Damage{"ShorterThanAHeader", [](TestImage& i) { i.Resize(63); }, kCorrupt,
               "the file has 63 bytes, the header has 64"},
        Damage{"NoMagic", [](TestImage& i) { i.header().magic = 0u; }, kCorrupt, "magic"},
        Damage{"UnknownFeature", [](TestImage& i) { i.header().features = 8u; }, Code::kUnsupported,
               "unknown features: 0x8"},
        Damage{"ClusterSize0", [](TestImage& i) { i.header().cluster_size = 0u; }, kCorrupt,
               "cluster_size is 0"},
        Damage{"ClusterSizeSmall", [](TestImage& i) { i.header().cluster_size = 2048u; }, kCorrupt,
               "cluster_size is 2048"},
        Damage{"ClusterSizeOdd", [](TestImage& i) { i.header().cluster_size = 4097u; }, kCorrupt,
               "cluster_size is 4097"},
        Damage{"ClusterSizeHuge", [](TestImage& i) { i.header().cluster_size = 1u << 31; },
               kCorrupt, "cluster_size is 2147483648"},
        Damage{"TableSize0", [](TestImage& i) { i.header().table_size = 0u; }, kCorrupt,
               "table_size is 0"},
        Damage{"TableSize3", [](TestImage& i) { i.header().table_size = 3u; }, kCorrupt,
               "table_size is 3"},
        Damage{"TableSize32", [](TestImage& i) { i.header().table_size = 32u; }, kCorrupt,
               "table_size is 32"},
        Damage{"HeaderSize0", [](TestImage& i) { i.header().header_size = 0u; }, kCorrupt,
               "header_size is 0"},
        Damage{"HeaderOverTheTables", [](TestImage& i) { i.header().header_size = 2u; }, kCorrupt,
               "the L1 table at 0x1000 overlaps the header"},
        Damage{"HeaderSizeHuge", [](TestImage& i) { i.header().header_size = UINT32_MAX; },
               kCorrupt, "overlaps the header"},
        Damage{"ImageSizeOdd", [](TestImage& i) { i.header().image_size = 1000u; }, kCorrupt,
               "the disk has 1000 bytes"},
        Damage{"ImageSizeHuge", [](TestImage& i) { i.header().image_size = UINT64_MAX - 511; },
               kCorrupt, "at most 1073741824"},
        Damage{"DiskOverTheLimit", [](TestImage& i) { i.header().image_size = 1u << 30; },
               Code::kLimit, "more than the limit of 67108864"},
        Damage{"L1Unaligned", [](TestImage& i) { i.header().l1_table_offset = kCluster + 8; },
               kCorrupt, "the L1 table at 0x1008 is not at a cluster boundary"},
        Damage{"L1PastTheEnd", [](TestImage& i) { i.header().l1_table_offset = 5 * kCluster; },
               kCorrupt, "the L1 table at 0x5000 (4096 bytes) reaches past the end"},
        Damage{"L1FarAway", [](TestImage& i) { i.header().l1_table_offset = -kCluster; }, kCorrupt,
               "reaches past the end"},
        Damage{"L1InTheHeader", [](TestImage& i) { i.header().l1_table_offset = 0u; }, kCorrupt,
               "overlaps the header"},
        Damage{"L2Unaligned", [](TestImage& i) { i.SetL1(0, 2 * kCluster + 8); }, kCorrupt,
               "the L2 table at 0x2008 (L1 entry 0) is not at a cluster boundary"},
        Damage{"L2PastTheEnd", [](TestImage& i) { i.SetL1(0, 5 * kCluster); }, kCorrupt,
               "the L2 table at 0x5000 (L1 entry 0) reaches past the end"},
        Damage{"L2FarAway", [](TestImage& i) { i.SetL1(0, -kCluster); }, kCorrupt,
               "reaches past the end"},
        Damage{"L2OnTheL1Table", [](TestImage& i) { i.SetL1(0, kCluster); }, kCorrupt,
               "overlaps the L1 table"},
        Damage{"OneL2TableForTwoEntries",
               [](TestImage& i) {
                 i.header().image_size = 4u << 20;
                 i.SetL1(1, 2 * kCluster);
               },
               kCorrupt, "claim the same bytes for their L2 tables, at 0x2000 and 0x2000"},
        Damage{"DataUnaligned", [](TestImage& i) { i.SetL2(0, 3 * kCluster + 2); }, kCorrupt,
               "the cluster of disk offset 0x0 lies at 0x3002, which is not a cluster boundary"},
        Damage{"DataPastTheEnd", [](TestImage& i) { i.SetL2(1, 5 * kCluster); }, kCorrupt,
               "the cluster of disk offset 0x1000 at 0x5000 (4096 bytes) reaches past the end"},
        Damage{"DataInTheL1Table", [](TestImage& i) { i.SetL2(1, kCluster); }, kCorrupt,
               "overlaps the L1 table"},
        Damage{"DataClaimedTwice", [](TestImage& i) { i.SetL2(9, 3 * kCluster); }, kCorrupt,
               "disk offsets 0x0 and 0x9000 claim the same data at 0x3000"},
        Damage{"TruncatedByAByte", [](TestImage& i) { i.Resize(5 * kCluster - 1); }, kCorrupt,
               "the cluster of disk offset 0x1000"},
        Damage{"BackingNameTooLong", [](TestImage& i) { i.SetBackingName(64, 1024); }, kCorrupt,
               "the backing file name has 1024 bytes"},
        Damage{"BackingNameOutsideOfTheHeader",
               [](TestImage& i) { i.SetBackingName(kCluster - 2, 3); }, kCorrupt,
               "the backing file name at 0xffe (3 bytes) is not within the header's clusters"},
        Damage{"BackingNameFarAway", [](TestImage& i) { i.SetBackingName(UINT32_MAX, 1023); },
               kCorrupt, "the backing file name at 0xffffffff"},
        Damage{"BackingNameInTheHeader", [](TestImage& i) { i.SetBackingName(8, 3); }, kCorrupt,
               "the backing file name at 0x8"}),
    [](const auto& test) { return test.param.name; });

TEST(QedReaderTest, WarnsOfAnImageThatNeedsACheck) {
  TestImage image;
  image.header().features = kFeatureNeedCheck;
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);

  const auto reader = OpenQed(io, file, {});

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings,
              testing::ElementsAre(testing::HasSubstr("needs a check")));
}

TEST(QedReaderTest, TellsZeroClustersFromThoseOfTheBackingFile) {
  const TestImage image;
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);
  const auto reader = OpenQed(io, file, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto zero = (*reader)->Map(io, 2 * kCluster, 100 * kCluster);
  const auto hole = (*reader)->Map(io, 3 * kCluster, 100 * kCluster);

  ASSERT_TRUE(zero.ok() && hole.ok());
  EXPECT_EQ(zero->kind, Extent::Kind::kZero);
  EXPECT_EQ(zero->length, kCluster);
  EXPECT_EQ(hole->kind, Extent::Kind::kUnallocated);
  EXPECT_EQ(hole->length, 100 * kCluster);
}

TEST(QedCheckTest, RefusesAFileWithMoreClustersThanItHasMemoryFor) {
  const TestImage image;
  NativeFiles files;
  FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  file.size = uint64_t{1} << 40;
  NativeChannel io(files);

  const auto checked = CheckQed(io, file, {});

  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.status().code(), Code::kLimit);
}

TEST(QedCheckTest, CannotCheckAnImageWhoseL1TableIsNotInTheFile) {
  TestImage image;
  image.header().l1_table_offset = 5 * kCluster;
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);

  EXPECT_THAT(CheckQed(io, file, {}).status().message(),
              testing::HasSubstr("the L1 table at 0x5000"));
}

}  // namespace
}  // namespace hotcell::guest::qed
