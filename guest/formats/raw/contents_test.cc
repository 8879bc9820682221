#include "guest/formats/raw/contents.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/raw/raw.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string kLinuxPartition = "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0"s;
const std::string kGptPartition = "\0\0\2\0\xee\xff\xff\xff\1\0\0\0\xff\x07\0\0"s;

using Kind = SignatureKind;
using Mark = std::pair<SignatureKind, uint64_t>;

std::vector<Mark> MarksOf(const std::vector<FileSignature>& signatures) {
  std::vector<Mark> marks;
  for (const FileSignature& signature : signatures) {
    marks.emplace_back(signature.kind, signature.offset);
  }
  return marks;
}

class ContentsTest : public testing::Test {
 protected:
  void Put(size_t offset, const std::string& piece) {
    std::transform(piece.begin(), piece.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset),
                   [](char c) { return static_cast<std::byte>(c); });
  }
  ImageDescription Description() {
    const FileHandle file = files_.Add(std::make_unique<MemoryFile>(bytes_));
    const auto reader = OpenRaw(io_, file, {.describe_only = true});
    EXPECT_TRUE(reader.ok());
    return (*reader)->Describe();
  }
  std::vector<Mark> Contents() { return MarksOf(Description().contents); }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(128 << 10);
  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(ContentsTest, NothingIsFoundInZeroes) { EXPECT_THAT(Contents(), IsEmpty()); }

TEST_F(ContentsTest, NothingIsLookedForToConvert) {
  Put(446, kLinuxPartition);
  Put(510, "\x55\xaa");
  const FileHandle file = files_.Add(std::make_unique<MemoryFile>(bytes_));

  const auto reader = OpenRaw(io_, file, {});

  EXPECT_THAT((*reader)->Describe().contents, IsEmpty());
  EXPECT_THAT((*reader)->Describe().other_formats, IsEmpty());
  EXPECT_EQ(io_.request_count(), 0u);
}

TEST_F(ContentsTest, PartitionTablesAreNamed) {
  Put(446, kLinuxPartition);
  Put(510, "\x55\xaa");
  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kMbr, 510)));

  Put(446, kGptPartition);
  Put(512, "EFI PART");
  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kProtectiveMbr, 510), Mark(Kind::kGpt, 512)));
}

TEST_F(ContentsTest, BootSectorWithoutPartitionsIsNoPartitionTable) {
  Put(3, "NTFS    ");
  Put(446, "Remove disks or other media");
  Put(510, "\x55\xaa");

  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kNtfs, 3)));
}

TEST_F(ContentsTest, HybridIsoIsBoth) {
  Put(446, kLinuxPartition);
  Put(510, "\x55\xaa");
  Put(0x8001, "CD001");
  Put(0x8801, "NSR02");

  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kMbr, 510), Mark(Kind::kIso9660, 0x8001),
                                      Mark(Kind::kUdf, 0x8801)));
}

TEST_F(ContentsTest, ExtIsKnownByItsFeatures) {
  Put(1024 + 0x38, "\x53\xef");
  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kExt2, 0x438)));

  Put(1024 + 0x5c, "\4");
  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kExt3, 0x438)));

  Put(1024 + 0x60, "\x42\2"s);
  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kExt4, 0x438)));
}

TEST_F(ContentsTest, LvmLabelIsFoundInEachOfItsSectors) {
  Put(1536, "LABELONE");
  Put(1536 + 24, "LVM2 001");

  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kLvm, 1536)));
}

TEST_F(ContentsTest, ImageThatIsAskedForAsRawIsNamed) {
  Put(0, "QFI\xfb\0\0\0\3"s);

  EXPECT_THAT(Contents(), IsEmpty());
  EXPECT_THAT(Description().other_formats, ElementsAre("qcow2"));
}

TEST_F(ContentsTest, ImageBehindTheFirstSectorIsNamed) {
  Put(512, "QFI\xfb\0\0\0\3"s);

  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kQcowImage, 512)));
}

TEST_F(ContentsTest, SignatureBehind64KiBIsFound) {
  Put(0x10040, "_BHRfS_M");

  EXPECT_THAT(Contents(), ElementsAre(Mark(Kind::kBtrfs, 0x10040)));
}

TEST_F(ContentsTest, SignatureCutByTheEndIsNone) {
  Put(0x10040, "_BHRfS_M");
  bytes_.resize(0x10047);

  EXPECT_THAT(Contents(), IsEmpty());
}

// File systems made by their own tools.
TEST_F(ContentsTest, FileSystemsAreKnown) {
  const TemporaryDirectory directory;
  const std::pair<const char*, SignatureKind> makers[] = {
      {"mke2fs -q -t ext2 disk", Kind::kExt2}, {"mke2fs -q -t ext3 disk", Kind::kExt3},
      {"mke2fs -q -t ext4 disk", Kind::kExt4}, {"mkswap -q disk", Kind::kSwap},
      {"mkfs.xfs -q disk", Kind::kXfs},        {"mkfs.vfat disk", Kind::kFat16},
      {"mkfs.btrfs -q disk", Kind::kBtrfs}};
  int tried = 0;
  for (const auto& [command, expected] : makers) {
    const std::string out =
        directory.Run("rm -f disk; truncate -s 320M disk; PATH=$PATH:/usr/sbin:/sbin; " +
                      std::string(command) + " >/dev/null 2>&1 && echo made || true");
    if (out != "made\n") continue;
    ++tried;
    const FileHandle file = files_.AddPath(directory.path("disk"), O_RDONLY);
    const auto found = FindDiskContents(io_, file);
    ASSERT_TRUE(found.ok());
    EXPECT_THAT(MarksOf(*found), testing::Contains(testing::Pair(expected, testing::_))) << command;
  }
  if (tried == 0) GTEST_SKIP() << "no tool that makes file systems is installed";
}

}  // namespace
}  // namespace hotcell::guest
