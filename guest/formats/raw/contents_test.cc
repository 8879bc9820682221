#include "guest/formats/raw/contents.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
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

class ContentsTest : public testing::Test {
 protected:
  void Put(size_t offset, const std::string& piece) {
    std::transform(piece.begin(), piece.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset),
                   [](char c) { return static_cast<std::byte>(c); });
  }
  std::vector<std::string> Contents() {
    const FileHandle file = files_.Add(std::make_unique<MemoryFile>(bytes_));
    const auto reader = OpenRaw(io_, file, {.describe_only = true});
    EXPECT_TRUE(reader.ok());
    return (*reader)->Describe().contents;
  }

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
  EXPECT_EQ(io_.request_count(), 0u);
}

TEST_F(ContentsTest, PartitionTablesAreNamed) {
  Put(446, kLinuxPartition);
  Put(510, "\x55\xaa");
  EXPECT_THAT(Contents(), ElementsAre("MBR partition table"));

  Put(446, kGptPartition);
  Put(512, "EFI PART");
  EXPECT_THAT(Contents(), ElementsAre("protective MBR", "GPT partition table"));
}

TEST_F(ContentsTest, BootSectorWithoutPartitionsIsNoPartitionTable) {
  Put(3, "NTFS    ");
  Put(446, "Remove disks or other media");
  Put(510, "\x55\xaa");

  EXPECT_THAT(Contents(), ElementsAre("NTFS file system"));
}

TEST_F(ContentsTest, HybridIsoIsBoth) {
  Put(446, kLinuxPartition);
  Put(510, "\x55\xaa");
  Put(0x8001, "CD001");
  Put(0x8801, "NSR02");

  EXPECT_THAT(Contents(),
              ElementsAre("MBR partition table", "ISO 9660 file system", "UDF file system"));
}

TEST_F(ContentsTest, ExtIsKnownByItsFeatures) {
  Put(1024 + 0x38, "\x53\xef");
  EXPECT_THAT(Contents(), ElementsAre("ext2 file system"));

  Put(1024 + 0x5c, "\4");
  EXPECT_THAT(Contents(), ElementsAre("ext3 file system"));

  Put(1024 + 0x60, "\x42\2"s);
  EXPECT_THAT(Contents(), ElementsAre("ext4 file system"));
}

TEST_F(ContentsTest, LvmLabelIsFoundInEachOfItsSectors) {
  Put(1536, "LABELONE");
  Put(1536 + 24, "LVM2 001");

  EXPECT_THAT(Contents(), ElementsAre("LVM2 physical volume"));
}

TEST_F(ContentsTest, ImageThatIsAskedForAsRawIsNamed) {
  Put(0, "QFI\xfb\0\0\0\3"s);

  EXPECT_THAT(Contents(), ElementsAre("qcow2 image"));
}

TEST_F(ContentsTest, ImageBehindTheFirstSectorIsNamed) {
  Put(512, "QFI\xfb\0\0\0\3"s);

  EXPECT_THAT(Contents(), ElementsAre("QCOW signature at offset 512"));
}

TEST_F(ContentsTest, SignatureBehind64KiBIsFound) {
  Put(0x10040, "_BHRfS_M");

  EXPECT_THAT(Contents(), ElementsAre("Btrfs file system"));
}

TEST_F(ContentsTest, SignatureCutByTheEndIsNone) {
  Put(0x10040, "_BHRfS_M");
  bytes_.resize(0x10047);

  EXPECT_THAT(Contents(), IsEmpty());
}

// File systems made by their own tools.
TEST_F(ContentsTest, FileSystemsAreKnown) {
  const TemporaryDirectory directory;
  const std::pair<const char*, const char*> makers[] = {
      {"mke2fs -q -t ext2 disk", "ext2 file system"},
      {"mke2fs -q -t ext3 disk", "ext3 file system"},
      {"mke2fs -q -t ext4 disk", "ext4 file system"},
      {"mkswap -q disk", "Linux swap space"},
      {"mkfs.xfs -q disk", "XFS file system"},
      {"mkfs.vfat disk", "FAT16 file system"},
      {"mkfs.btrfs -q disk", "Btrfs file system"}};
  int tried = 0;
  for (const auto& [command, expected] : makers) {
    const std::string out =
        directory.Run("rm -f disk; truncate -s 320M disk; PATH=$PATH:/usr/sbin:/sbin; " +
                      std::string(command) + " >/dev/null 2>&1 && echo made || true");
    if (out != "made\n") continue;
    ++tried;
    const FileHandle file = files_.AddPath(directory.path("disk"), O_RDONLY);
    const auto found = FindContents(io_, file);
    ASSERT_TRUE(found.ok());
    EXPECT_THAT(*found, testing::Contains(expected)) << command;
  }
  if (tried == 0) GTEST_SKIP() << "no tool that makes file systems is installed";
}

}  // namespace
}  // namespace hotcell::guest
