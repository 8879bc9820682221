#include "guest/ops/pipeline/nested_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kDiskSize = 1 << 20;
constexpr uint64_t kDataOffset = 4096;
const std::string kQcow2 = "QFI\xfb\0\0\0\3"s;

// The disk is in the file from kDataOffset on, in extents of at most `most` bytes.
class NestedImageTest : public testing::Test {
 protected:
  void Put(uint64_t offset, const std::string& bytes) {
    std::transform(bytes.begin(), bytes.end(),
                   bytes_.begin() + static_cast<ptrdiff_t>(kDataOffset + offset),
                   [](char c) { return static_cast<std::byte>(c); });
  }
  std::vector<std::string> Find(uint64_t size, uint64_t most = kDiskSize) {
    NativeFiles files;
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes_));
    NativeChannel io(files);
    const auto map = [&](uint64_t offset, uint64_t length) -> Result<Extent> {
      return Extent{.kind = Extent::Kind::kData,
                    .length = std::min(length, most),
                    .slot = file.slot,
                    .offset = kDataOffset + offset};
    };
    const auto found = FindNestedImages(io, map, size);
    EXPECT_TRUE(found.ok());
    std::vector<std::string> texts;
    for (const NestedImage& nested : *found) {
      texts.push_back(std::string(nested.format) + " " + std::to_string(nested.offset));
    }
    return texts;
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(kDataOffset + kDiskSize);
};

TEST_F(NestedImageTest, FindsNothingInZeroesOrNothing) {
  EXPECT_THAT(Find(kDiskSize), IsEmpty());
  EXPECT_THAT(Find(512), IsEmpty());
  EXPECT_THAT(Find(0), IsEmpty());
}

TEST_F(NestedImageTest, FindsTrailersThatOnlyOtherProgramsTake) {
  Put(kDiskSize - 512, "conectix");
  EXPECT_THAT(Find(kDiskSize), ElementsAre("vpc 1048064"));
  Put(kDiskSize - 512, "\0conectix"s);
  EXPECT_THAT(Find(kDiskSize), ElementsAre("vpc 1048064"));
  Put(kDiskSize - 512, "koly\0\0\0\0\0"s);
  EXPECT_THAT(Find(kDiskSize), ElementsAre("dmg 1048064"));
  EXPECT_THAT(Find(kDiskSize - 512), IsEmpty());
}

TEST_F(NestedImageTest, FindsTextsThatNameFiles) {
  Put(0, "\n\t --iprt-iso-maker-file-marker=ab1f3a2b /s=/etc/shadow\n");
  EXPECT_THAT(Find(kDiskSize), ElementsAre("VISO 0"));
  Put(0, "FILE \"../etc/shadow\" BINARY\r\n                                     ");
  EXPECT_THAT(Find(kDiskSize), ElementsAre("CUE 0"));
  Put(0, "FILE0");
  EXPECT_THAT(Find(kDiskSize), IsEmpty());
}

TEST_F(NestedImageTest, LooksAtTheStartOfTheDisk) {
  Put(0, kQcow2);
  EXPECT_THAT(Find(kDiskSize), ElementsAre("qcow2 0"));
  EXPECT_THAT(Find(kDiskSize, 3), ElementsAre("qcow2 0"));
}

TEST_F(NestedImageTest, DoesNotLookAtTheStartOfTheFile) {
  std::transform(kQcow2.begin(), kQcow2.end(), bytes_.begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  EXPECT_THAT(Find(kDiskSize), IsEmpty());
}

// A partition table beside the image makes no difference: programs that know the image do not mind
// it.
TEST_F(NestedImageTest, PartitionTableHidesNothing) {
  Put(0, kQcow2);
  Put(446, "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0"s);
  Put(510, "\x55\xaa");
  EXPECT_THAT(Find(kDiskSize), ElementsAre("qcow2 0"));
}

TEST_F(NestedImageTest, VolumesAndArchivesAreNoImages) {
  Put(0, "LUKS\xba\xbe\0\2"s);
  EXPECT_THAT(Find(kDiskSize), IsEmpty());
  Put(0, "\x1f\x8b\x08\0"s);
  EXPECT_THAT(Find(kDiskSize), IsEmpty());
}

TEST_F(NestedImageTest, DescriptorOfSomeProgramsIsFound) {
  Put(0, "\xef\xbb\xbf# Disk DescriptorFile\nversion=1\n");
  EXPECT_THAT(Find(kDiskSize), ElementsAre("vmdk 0"));
}

// The file may end within the disk's data; the rest reads as zeroes.
TEST_F(NestedImageTest, FileMayEndEarly) {
  Put(0, kQcow2);
  bytes_.resize(kDataOffset + 100);
  EXPECT_THAT(Find(kDiskSize), ElementsAre("qcow2 0"));
}

TEST(DiskEndsTest, KeepsWhatPassesByInAnyOrder) {
  std::vector<std::byte> data(kDiskSize);
  std::transform(kQcow2.begin(), kQcow2.end(), data.begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  const auto chunk = [&](uint64_t offset, uint64_t length) {
    return Chunk{.offset = offset,
                 .length = length,
                 .runs = {{.kind = Run::Kind::kData,
                           .offset = offset,
                           .length = length,
                           .data = &data[offset],
                           .size = length}}};
  };
  DiskEnds ends(kDiskSize);
  EXPECT_THAT(ends.FindNestedImages(), IsEmpty());
  ends.Add(chunk(2, kDiskSize - 2));
  EXPECT_THAT(ends.FindNestedImages(), IsEmpty());

  ends.Add(chunk(0, 2));

  ASSERT_EQ(ends.FindNestedImages().size(), 1u);
  EXPECT_EQ(ends.FindNestedImages()[0].format, "qcow2");
  EXPECT_EQ(ends.FindNestedImages()[0].offset, 0u);
}

TEST(DiskEndsTest, ZeroesAreNoData) {
  DiskEnds ends(kDiskSize);
  ends.Add({.offset = 0, .length = kDiskSize, .runs = {{.offset = 0, .length = kDiskSize}}});
  EXPECT_THAT(ends.FindNestedImages(), IsEmpty());
}

TEST_F(NestedImageTest, IsDescribedByItsPlace) {
  EXPECT_EQ(Describe({.format = "qcow2"}), "the disk begins as a qcow2 image does");
  EXPECT_EQ(Describe({.format = "vpc", .offset = 512}), "the disk ends as a vpc image does");
}

}  // namespace
}  // namespace hotcell::guest
