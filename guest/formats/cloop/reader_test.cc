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

#include "guest/formats/cloop/cloop.h"
#include "guest/formats/cloop/on_disk.h"
#include "guest/formats/cloop/test_image.h"
#include "guest/formats/testing/disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::cloop {
namespace {

// Opens the image and reads `length` bytes.
Result<std::vector<std::byte>> Read(const TestImage& image, uint64_t offset, uint64_t length) {
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files, /*buffer_count=*/4, /*buffer_size=*/64 << 10);
  auto reader = OpenCloop(io, file, {.max_virtual_size = 1 << 20});
  if (!reader.ok()) return reader.status();
  DiskReader disk(io, [&](uint64_t at, uint64_t size) { return (*reader)->Map(io, at, size); });
  return disk.Read(offset, length);
}

TEST(CloopReaderTest, ReadsAcrossBlocks) {
  const auto read = Read(TestImage(), 500, 530);

  ASSERT_TRUE(read.ok()) << read.status().message();
  const std::string text(reinterpret_cast<const char*>(read->data()), read->size());
  EXPECT_EQ(text, std::string(12, 'a') + std::string(512, 'b') + std::string(6, 'c'));
}

TEST(CloopReaderTest, TheScriptMaySayAnything) {
  TestImage image;
  std::fill_n(image.header().script, sizeof(image.header().script), 'x');
  EXPECT_TRUE(Read(image, 0, 1536).ok());
}

TEST(CloopReaderTest, DescribesADamagedImageWithAWarning) {
  TestImage image;
  image.SetOffset(1, UINT64_MAX);
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>(image.bytes()));
  NativeChannel io(files);

  const auto reader = OpenCloop(io, file, {.describe_only = true});

  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ((*reader)->Describe().virtual_size, 1536u);
  EXPECT_THAT((*reader)->Describe().warnings,
              testing::ElementsAre(testing::HasSubstr("the stream of block 0")));
}

struct Damage {
  std::string name;
  std::function<void(TestImage&)> apply;
  Code code;
  std::string message;  // a part of it
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class CloopDamageTest : public testing::TestWithParam<Damage> {};

TEST_P(CloopDamageTest, IsToldToTheImagesOwner) {
  TestImage image;
  GetParam().apply(image);

  const Status status = Read(image, 0, 1536).status();

  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_THAT(status.message(), testing::HasSubstr(GetParam().message));
}

constexpr uint64_t kData = TestImage::kData;
constexpr uint64_t kStream = TestImage::kStream;

INSTANTIATE_TEST_SUITE_P(
    Cloop, CloopDamageTest,
    testing::Values(
        Damage{"ShorterThanAHeader", [](TestImage& i) { i.Resize(135); }, Code::kCorruptImage,
               "the file has 135 bytes, the header has 136"},
        Damage{"Version4", [](TestImage& i) { i.header().script[12] = '4'; }, Code::kUnsupported,
               "not of version 2.0"},
        Damage{"BlockSize0", [](TestImage& i) { i.header().block_size = 0u; }, Code::kCorruptImage,
               "blocks have 0 bytes"},
        Damage{"BlockSizeOdd", [](TestImage& i) { i.header().block_size = 513u; },
               Code::kCorruptImage, "blocks have 513 bytes"},
        Damage{"BlockSizeHuge", [](TestImage& i) { i.header().block_size = 0xfffffe00u; },
               Code::kLimit, "more than the 2097152 that are read"},
        Damage{"BlockSizeNotThatOfTheStreams", [](TestImage& i) { i.header().block_size = 1024u; },
               Code::kCorruptImage, "less than a cluster (1024 bytes)"},
        Damage{"TooManyBlocks", [](TestImage& i) { i.header().num_blocks = UINT32_MAX; },
               Code::kLimit, "the disk has 4294967295 blocks"},
        Damage{"OffsetsPastTheEnd", [](TestImage& i) { i.header().num_blocks = 1000u; },
               Code::kCorruptImage, "the table of offsets ends at 0x1fd0, past the end"},
        Damage{"DiskOverTheLimit",
               [](TestImage& i) {
                 i.header().block_size = 1u << 20;
                 i.header().num_blocks = 2u;
               },
               Code::kLimit, "more than the limit of 1048576"},
        Damage{"StreamInTheHeader", [](TestImage& i) { i.SetOffset(0, 0); }, Code::kCorruptImage,
               "the stream of block 0 at 0x0 lies in the table of offsets"},
        Damage{"StreamInTheOffsets", [](TestImage& i) { i.SetOffset(0, kData - 1); },
               Code::kCorruptImage, "lies in the table of offsets"},
        Damage{"OffsetsGoBack", [](TestImage& i) { i.SetOffset(2, kData + 1); },
               Code::kCorruptImage, "the offsets do not ascend"},
        Damage{"StreamOfNoBytes", [](TestImage& i) { i.SetOffset(1, kData); }, Code::kCorruptImage,
               "the offsets do not ascend"},
        Damage{"LastOffsetPastTheEnd",
               [](TestImage& i) { i.SetOffset(3, kData + 3 * kStream + 1); }, Code::kCorruptImage,
               "the stream of block 2"},
        Damage{"OffsetFarAway", [](TestImage& i) { i.SetOffset(1, UINT64_MAX); },
               Code::kCorruptImage, "ends at 0xffffffffffffffff, past the end of the file"},
        Damage{"TruncatedByAByte", [](TestImage& i) { i.Resize(kData + 3 * kStream - 1); },
               Code::kCorruptImage, "past the end of the file"},
        Damage{"StreamDamaged", [](TestImage& i) { i.at(kData + 2) = std::byte{0xff}; },
               Code::kCorruptImage, "damaged"},
        Damage{"ChecksumDamaged",
               [](TestImage& i) { i.at(kData + 2 * kStream - 1) = std::byte{0xff}; },
               Code::kCorruptImage, "damaged"},
        Damage{"StreamLargerThanABuffer",
               [](TestImage& i) {
                 i.Resize(kData + 100000);
                 for (const uint64_t block : {1, 2, 3}) i.SetOffset(block, kData + 99990 + block);
               },
               Code::kLimit, "more than the 65536 that can be unpacked at once"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest::cloop
