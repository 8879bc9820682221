// Each rule that a qcow image can break, and the words in which its owner hears of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <ostream>
#include <string>

#include "guest/formats/qcow/on_disk.h"
#include "guest/formats/qcow/qcow.h"
#include "guest/formats/qcow/test_image.h"
#include "guest/formats/testing/disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::qcow {
namespace {

// Opens the image and reads all of it.
Status ReadAll(const TestImage& image) {
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);
  auto reader = OpenQcow(io, file, {.max_virtual_size = 1ull << 40});
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

class QcowDamageTest : public testing::TestWithParam<Damage> {};

TEST_P(QcowDamageTest, IsToldToTheImagesOwner) {
  TestImage image;
  ASSERT_TRUE(ReadAll(image).ok());

  GetParam().apply(image);

  const Status status = ReadAll(image);
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_THAT(status.message(), testing::HasSubstr(GetParam().message));
}

constexpr uint64_t kCluster = TestImage::kCluster;

INSTANTIATE_TEST_SUITE_P(
    Qcow, QcowDamageTest,
    testing::Values(
        Damage{"ShorterThanAHeader", [](TestImage& i) { i.Resize(47); }, Code::kCorruptImage,
               "the file has 47 bytes, the header has 48"},
        Damage{"NoMagic", [](TestImage& i) { i.header().magic = 0; }, Code::kCorruptImage, "magic"},
        Damage{"Version2", [](TestImage& i) { i.header().version = 2; }, Code::kUnsupported,
               "unsupported version 2"},
        Damage{"Size1", [](TestImage& i) { i.header().size = 1; }, Code::kCorruptImage,
               "the disk has 1 bytes"},
        Damage{"ClusterBits8", [](TestImage& i) { i.header().cluster_bits = 8; },
               Code::kCorruptImage, "cluster_bits is 8"},
        Damage{"ClusterBits17", [](TestImage& i) { i.header().cluster_bits = 17; },
               Code::kCorruptImage, "cluster_bits is 17"},
        Damage{"L2Bits5", [](TestImage& i) { i.header().l2_bits = 5; }, Code::kCorruptImage,
               "l2_bits is 5"},
        Damage{"L2Bits14", [](TestImage& i) { i.header().l2_bits = 14; }, Code::kCorruptImage,
               "l2_bits is 14"},
        Damage{"Encrypted", [](TestImage& i) { i.header().crypt_method = kCryptAes; },
               Code::kUnsupported, "encrypted (aes)"},
        Damage{"CryptMethod2", [](TestImage& i) { i.header().crypt_method = 2; },
               Code::kCorruptImage, "unknown encryption method 2"},
        Damage{"L1TooLarge", [](TestImage& i) { i.header().size = uint64_t{1} << 50; },
               Code::kLimit, "needs an L1 table of 536870912 entries"},
        Damage{"SizeWithAllBits", [](TestImage& i) { i.header().size = UINT64_MAX; }, Code::kLimit,
               "needs an L1 table of"},
        Damage{"DiskOverTheLimit", [](TestImage& i) { i.header().size = uint64_t{2} << 40; },
               Code::kLimit, "more than the limit of 1099511627776"},
        Damage{"L1PastTheEnd", [](TestImage& i) { i.header().l1_table_offset = 4 * kCluster - 4; },
               Code::kCorruptImage, "the L1 table at 0x3ffc (8 bytes) reaches past the end"},
        Damage{"L1FarAway", [](TestImage& i) { i.header().l1_table_offset = UINT64_MAX - 3; },
               Code::kCorruptImage, "reaches past the end"},
        Damage{"L1InTheHeader", [](TestImage& i) { i.header().l1_table_offset = 40; },
               Code::kCorruptImage, "the L1 table at 0x28 overlaps the header"},
        Damage{"L2PastTheEnd", [](TestImage& i) { i.Set(sizeof(Header), Be64(3 * kCluster + 8)); },
               Code::kCorruptImage, "the L2 table at 0x3008 (L1 entry 0) reaches past the end"},
        Damage{"L2FarAway", [](TestImage& i) { i.Set(sizeof(Header), Be64(UINT64_MAX)); },
               Code::kCorruptImage, "reaches past the end"},
        Damage{"L2InTheHeader", [](TestImage& i) { i.Set(sizeof(Header), Be64(16)); },
               Code::kCorruptImage, "overlaps the header"},
        Damage{"L2OnTheL1Table", [](TestImage& i) { i.Set(sizeof(Header), Be64(50)); },
               Code::kCorruptImage, "overlaps the L1 table"},
        Damage{"OneL2TableForTwoEntries",
               [](TestImage& i) {
                 i.header().size = 4 << 20;
                 i.Set(sizeof(Header) + 8, Be64(kCluster));
               },
               Code::kCorruptImage, "claim the same bytes for their L2 tables, at 0x1000"},
        Damage{"L2TablesOverlap",
               [](TestImage& i) {
                 i.header().size = 4 << 20;
                 i.Set(sizeof(Header) + 8, Be64(2 * kCluster - 8));
               },
               Code::kCorruptImage, "at 0x1000 and 0x1ff8"},
        Damage{"DataPastTheEnd", [](TestImage& i) { i.SetL2(0, 3 * kCluster + 512); },
               Code::kCorruptImage,
               "the cluster of disk offset 0x0 at 0x3200 (4096 bytes) reaches past the end"},
        Damage{"TruncatedByAByte", [](TestImage& i) { i.Resize(4 * kCluster - 1); },
               Code::kCorruptImage, "the cluster of disk offset 0x1000"},
        Damage{"DataUnaligned", [](TestImage& i) { i.SetL2(0, 2 * kCluster + 8); },
               Code::kCorruptImage, "lies at 0x2008, which is not a sector boundary"},
        Damage{"DataOnTheL1Table",
               [](TestImage& i) {
                 i.header().l1_table_offset = 2 * kCluster + 512;
                 i.Set(2 * kCluster + 512, Be64(kCluster));
               },
               Code::kCorruptImage, "overlaps the L1 table at 0x2200"},
        Damage{"DataClaimedTwice", [](TestImage& i) { i.SetL2(9, 2 * kCluster); },
               Code::kCorruptImage, "disk offsets 0x0 and 0x9000 claim the same data at 0x2000"},
        Damage{"StreamOfNoBytes", [](TestImage& i) { i.SetL2(0, kEntryCompressed | 2 * kCluster); },
               Code::kCorruptImage, "compressed to a stream of 0 bytes"},
        Damage{"StreamPastTheEnd",
               [](TestImage& i) { i.SetL2(0, kEntryCompressed | 100ull << 51 | 4 * kCluster); },
               Code::kCorruptImage, "at 0x4000 (100 bytes) reaches past the end"},
        Damage{"StreamDamaged",
               [](TestImage& i) {
                 i.Set(2 * kCluster, uint8_t{0xff});
                 i.SetL2(0, kEntryCompressed | 100ull << 51 | 2 * kCluster);
               },
               Code::kCorruptImage, "the deflate stream is damaged"},
        Damage{"StreamsClaimTheSameBytes",
               [](TestImage& i) {
                 // 4096 zeroes.
                 constexpr uint8_t kStream[] = {0xed, 0xc1, 0x01, 0x0d, 0x00, 0x00, 0x00,
                                                0xc2, 0xa0, 0xf7, 0x4f, 0x6d, 0x0f, 0x07,
                                                0x14, 0x00, 0x00, 0x00, 0xf0, 0x6e};
                 i.Set(2 * kCluster, kStream);
                 for (const size_t index : {size_t{0}, size_t{7}}) {
                   i.SetL2(index, kEntryCompressed | sizeof(kStream) << 51 | 2 * kCluster);
                 }
               },
               Code::kCorruptImage, "disk offsets 0x0 and 0x7000 claim the same data"},
        Damage{"BackingNameTooLong",
               [](TestImage& i) {
                 i.header().backing_file_offset = 3 * kCluster;
                 i.header().backing_file_size = 1024;
               },
               Code::kCorruptImage, "the backing file name has 1024 bytes"},
        Damage{"BackingNamePastTheEnd",
               [](TestImage& i) {
                 i.header().backing_file_offset = 4 * kCluster - 2;
                 i.header().backing_file_size = 3;
               },
               Code::kCorruptImage, "the backing file name at 0x3ffe (3 bytes)"},
        Damage{"BackingNameInTheHeader",
               [](TestImage& i) {
                 i.header().backing_file_offset = 8;
                 i.header().backing_file_size = 3;
               },
               Code::kCorruptImage, "the backing file name at 0x8"}),
    [](const auto& test) { return test.param.name; });

TEST(QcowReaderTest, DescribesAnEncryptedImage) {
  TestImage image;
  image.header().crypt_method = kCryptAes;
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);

  const auto reader = OpenQcow(io, file, {.describe_only = true});

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_TRUE((*reader)->Describe().encrypted);
  EXPECT_EQ((*reader)->Describe().encryption, "aes");
}

TEST(QcowReaderTest, DescribesADamagedImageWithAWarning) {
  TestImage image;
  image.Set(sizeof(Header), Be64(UINT64_MAX));
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);

  const auto reader = OpenQcow(io, file, {.describe_only = true});

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings,
              testing::ElementsAre(testing::HasSubstr("L2 table at 0xffffffffffffffff")));
}

TEST(QcowReaderTest, JoinsClustersThatAreAdjacentInTheFile) {
  const TestImage image;
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);
  const auto reader = OpenQcow(io, file, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto data = (*reader)->Map(io, 100, (1 << 20) - 100);
  const auto hole = (*reader)->Map(io, 2 * kCluster, (1 << 20) - 2 * kCluster);

  ASSERT_TRUE(data.ok() && hole.ok());
  EXPECT_EQ(data->kind, Extent::Kind::kData);
  EXPECT_EQ(data->offset, 2 * kCluster + 100);
  EXPECT_EQ(data->length, 2 * kCluster - 100);
  EXPECT_EQ(hole->kind, Extent::Kind::kUnallocated);
  EXPECT_EQ(hole->length, (1 << 20) - 2 * kCluster);
}

}  // namespace
}  // namespace hotcell::guest::qcow
