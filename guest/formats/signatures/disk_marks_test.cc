#include "guest/formats/signatures/disk_marks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace hotcell::guest {
namespace {

using std::string_literals::operator""s;

class DiskMarksTest : public testing::Test {
 protected:
  void Put(size_t offset, const std::string& piece) {
    std::transform(piece.begin(), piece.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset),
                   [](char c) { return static_cast<std::byte>(c); });
  }
  std::vector<std::byte> bytes_ = std::vector<std::byte>(64 << 10);
};

TEST_F(DiskMarksTest, EntryWithoutSectorsIsNoPartition) {
  EXPECT_FALSE(ReadMbr(bytes_).has_value());
  Put(510, "\x55\xaa");
  EXPECT_FALSE(ReadMbr(bytes_)->used);
  Put(450, "\x83");
  EXPECT_TRUE(ReadMbr(bytes_)->used);
  EXPECT_FALSE(HasPartitionTable(bytes_));
  Put(458, "\1");
  EXPECT_TRUE(HasPartitionTable(bytes_));
  EXPECT_FALSE(ReadMbr(bytes_)->protective);
  Put(450, "\xee");
  EXPECT_TRUE(ReadMbr(bytes_)->protective);
  Put(446 + 48, "\1");
  EXPECT_FALSE(ReadMbr(bytes_).has_value());
}

TEST_F(DiskMarksTest, GptIsInTheSecondSectorOfEitherSize) {
  EXPECT_FALSE(HasGpt(bytes_));
  Put(512, "EFI PART");
  EXPECT_TRUE(HasGpt(bytes_));
  Put(512, "EFI part");
  Put(4096, "EFI PART");
  EXPECT_TRUE(HasGpt(bytes_));
}

TEST_F(DiskMarksTest, ExtIsTheVersionThatItsFeaturesNeed) {
  EXPECT_FALSE(ReadExtSuperblock(bytes_).has_value());
  Put(1080, "\x53\xef");
  EXPECT_EQ(ReadExtSuperblock(bytes_)->version, SignatureKind::kExt2);
  Put(1024 + 0x5c, "\4");
  EXPECT_EQ(ReadExtSuperblock(bytes_)->version, SignatureKind::kExt3);
  for (const std::string& feature : {"\x40\0"s, "\x80\0"s, "\0\2"s}) {
    Put(1024 + 0x60, feature);
    EXPECT_EQ(ReadExtSuperblock(bytes_)->version, SignatureKind::kExt4);
  }
}

TEST_F(DiskMarksTest, ExtOfAnImpossibleBlockSizeOrRevisionIsNotPlausible) {
  Put(1080, "\x53\xef");
  EXPECT_TRUE(ReadExtSuperblock(bytes_)->plausible);
  Put(1024 + 0x18, "\7");
  EXPECT_FALSE(ReadExtSuperblock(bytes_)->plausible);
  Put(1024 + 0x18, "\6");
  Put(1024 + 0x4c, "\2");
  EXPECT_FALSE(ReadExtSuperblock(bytes_)->plausible);
}

// The file ends within the superblock.
TEST_F(DiskMarksTest, NothingIsReadBehindTheEnd) {
  Put(1080, "\x53\xef");
  Put(510, "\x55\xaa");
  for (const size_t size : {size_t{0}, size_t{511}, size_t{1081}, size_t{1082}, size_t{1123}}) {
    const std::vector<std::byte> head(bytes_.begin(),
                                      bytes_.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(ReadExtSuperblock(head).has_value()) << size;
    EXPECT_EQ(ReadMbr(head).has_value(), size >= 512) << size;
    EXPECT_FALSE(HasGpt(head)) << size;
  }
}

}  // namespace
}  // namespace hotcell::guest
