// Images built by hand: what is read of them, each rule that one can break, and the words in which
// its owner hears of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "guest/formats/bochs/bochs.h"
#include "guest/formats/bochs/on_disk.h"
#include "guest/formats/bochs/test_image.h"
#include "guest/formats/testing/disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::bochs {
namespace {

Result<std::vector<std::byte>> Read(const TestImage& image, uint64_t offset, uint64_t length) {
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);
  auto reader = OpenBochs(io, file, {.max_virtual_size = kDisk});
  if (!reader.ok()) return reader.status();
  DiskReader disk(io, [&](uint64_t at, uint64_t size) { return (*reader)->Map(io, at, size); });
  return disk.Read(offset, length);
}

// The disk's bytes at each sector's start.
std::vector<int> FirstBytes(const TestImage& image, uint64_t first, uint64_t count) {
  const auto read = Read(image, first * kSectorSize, count * kSectorSize);
  if (!read.ok()) return {};
  std::vector<int> out;
  for (uint64_t i = 0; i < count; ++i) out.push_back(static_cast<int>((*read)[i * kSectorSize]));
  return out;
}

TEST(BochsReaderTest, ReadsExtentsByTheCatalog) {
  EXPECT_THAT(FirstBytes(TestImage(), 126, 4), testing::ElementsAre(126, 127, 128, 129));
  EXPECT_THAT(FirstBytes(TestImage(), 254, 4), testing::ElementsAre(254, 255, 0, 0));
}

TEST(BochsReaderTest, SectorsWithoutABitAreZero) {
  TestImage image;
  // Sectors 64 to 71, and all but the first and the last of 72 to 79.
  image.at(TestImage::Extent(1) + 8) = std::byte{0};
  image.at(TestImage::Extent(1) + 9) = std::byte{0x81};
  EXPECT_THAT(FirstBytes(image, 62, 12),
              testing::ElementsAre(62, 63, 0, 0, 0, 0, 0, 0, 0, 0, 72, 0));
  EXPECT_THAT(FirstBytes(image, 78, 3), testing::ElementsAre(0, 79, 80));
}

TEST(BochsReaderTest, ReadsWithinSectors) {
  const auto read = Read(TestImage(), 127 * kSectorSize + 510, 4);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_THAT(*read,
              testing::ElementsAre(std::byte{127}, std::byte{127}, std::byte{128}, std::byte{128}));
}

TEST(BochsReaderTest, MapsAnExtentAndTheHoleAfterItInOnePieceEach) {
  const TestImage image;
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);
  const auto reader = OpenBochs(io, file, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto data = (*reader)->Map(io, kExtent + 100, kDisk - kExtent - 100);
  const auto hole = (*reader)->Map(io, 2 * kExtent, kDisk - 2 * kExtent);

  ASSERT_TRUE(data.ok() && hole.ok());
  EXPECT_EQ(data->kind, Extent::Kind::kData);
  EXPECT_EQ(data->length, kExtent - 100);
  EXPECT_EQ(hole->kind, Extent::Kind::kZero);
  EXPECT_EQ(hole->length, kDisk - 2 * kExtent);
}

struct Damage {
  std::string name;
  std::function<void(TestImage&)> apply;
  Code code;
  std::string message;  // a part of it
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class BochsDamageTest : public testing::TestWithParam<Damage> {};

TEST_P(BochsDamageTest, IsToldToTheImagesOwner) {
  TestImage image;
  GetParam().apply(image);

  const Status status = Read(image, 0, kDisk).status();

  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_THAT(status.message(), testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Bochs, BochsDamageTest,
    testing::Values(
        Damage{"ShorterThanAHeader", [](TestImage& i) { i.Resize(511); }, Code::kCorruptImage,
               "the file has 511 bytes, the header has 512"},
        Damage{"NoMagic", [](TestImage& i) { i.header().magic[3] = 'x'; }, Code::kCorruptImage,
               "does not start with"},
        Damage{"MagicDoesNotEnd", [](TestImage& i) { i.header().magic[22] = 'x'; },
               Code::kCorruptImage, "does not start with"},
        Damage{"Undoable", [](TestImage& i) { std::strcpy(i.header().subtype, "Undoable"); },
               Code::kUnsupported, "of type 'Redolog', 'Undoable'"},
        Damage{"TypeIsNotText", [](TestImage& i) { std::strcpy(i.header().type, "a\033[2J\n"); },
               Code::kUnsupported, "of type 'a?[2J?', 'Growing'"},
        Damage{"Version3", [](TestImage& i) { i.header().version = 0x30000u; }, Code::kUnsupported,
               "unsupported version 0x30000"},
        Damage{"CatalogInTheHeader", [](TestImage& i) { i.header().header = 64u; },
               Code::kCorruptImage, "the catalog is at 64, in the header"},
        Damage{"CatalogPastTheEnd", [](TestImage& i) { i.header().header = UINT32_MAX; },
               Code::kCorruptImage, "the catalog ends at 0x10000003f, past the end"},
        Damage{"CatalogHuge", [](TestImage& i) { i.header().catalog = UINT32_MAX; },
               Code::kCorruptImage, "the catalog has 4294967295 entries"},
        Damage{"CatalogTooSmall", [](TestImage& i) { i.header().catalog = kEntries - 1; },
               Code::kCorruptImage, "the disk has 1048576 bytes, but the catalog has room for"},
        Damage{"DiskHuge", [](TestImage& i) { i.header().disk = UINT64_MAX; }, Code::kCorruptImage,
               "the disk has 18446744073709551615 bytes"},
        Damage{"DiskOverTheLimit",
               [](TestImage& i) {
                 i.header().catalog = 2 * kEntries;
                 i.header().disk = 2 * kDisk;
               },
               Code::kLimit, "more than the limit of 1048576"},
        Damage{"ExtentSize0", [](TestImage& i) { i.header().extent = 0u; }, Code::kCorruptImage,
               "extents have 0 bytes"},
        Damage{"ExtentSize256", [](TestImage& i) { i.header().extent = 256u; }, Code::kCorruptImage,
               "extents have 256 bytes"},
        Damage{"ExtentSizeOdd", [](TestImage& i) { i.header().extent = kExtent + 512; },
               Code::kCorruptImage, "extents have 66048 bytes"},
        Damage{"ExtentSizeHuge", [](TestImage& i) { i.header().extent = 1u << 24; },
               Code::kCorruptImage, "extents have 16777216 bytes"},
        Damage{"BitmapSize0", [](TestImage& i) { i.header().bitmap = 0u; }, Code::kCorruptImage,
               "the bitmaps have 0 bytes; with extents of 128 sectors they need 16"},
        Damage{"BitmapTooSmall", [](TestImage& i) { i.header().bitmap = 15u; }, Code::kCorruptImage,
               "the bitmaps have 15 bytes"},
        Damage{"BitmapHuge", [](TestImage& i) { i.header().bitmap = UINT32_MAX; },
               Code::kCorruptImage, "at most 16384 are allowed"},
        Damage{"ExtentPastTheEnd", [](TestImage& i) { i.SetCatalog(5, 2); }, Code::kCorruptImage,
               "the bitmap of extent 2 (catalog entry 5)"},
        Damage{"ExtentFarAway", [](TestImage& i) { i.SetCatalog(5, 0xfffffffe); },
               Code::kCorruptImage, "the bitmap of extent 4294967294"},
        Damage{"ExtentTwice", [](TestImage& i) { i.SetCatalog(5, 1); }, Code::kCorruptImage,
               "two entries of the catalog claim extent 1"},
        Damage{"TruncatedByAByte", [](TestImage& i) { i.Resize(TestImage::Extent(2) - 1); },
               Code::kCorruptImage, "the data of disk offset 0x8000 at"}),
    [](const auto& test) { return test.param.name; });

TEST(BochsReaderTest, DescribesADamagedImageWithAWarning) {
  TestImage image;
  image.SetCatalog(5, 1);
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);

  const auto reader = OpenBochs(io, file, {.describe_only = true});

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings,
              testing::ElementsAre(testing::HasSubstr("claim extent 1")));
}

}  // namespace
}  // namespace hotcell::guest::bochs
