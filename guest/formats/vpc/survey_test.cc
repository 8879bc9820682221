// What is said of VHDs that other programs read otherwise.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/test_image.h"
#include "guest/formats/vpc/vpc.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class VpcSurveyTest : public testing::Test {
 protected:
  VpcSurveyTest() { survey_.set_thorough(true); }

  // The kinds of what is said of a file.
  std::vector<ConcernKind> Look(std::vector<std::byte> bytes) {
    const FileHandle file = files_.Add(std::make_unique<MemoryFile>(std::move(bytes)));
    const Status status = SurveyVpc(io_, file, survey_);
    EXPECT_TRUE(status.ok()) << status.message();
    std::vector<ConcernKind> kinds;
    for (const Concern& concern : survey_.concerns()) kinds.push_back(concern.kind);
    return kinds;
  }
  std::vector<ConcernKind> Look(TestImage& image) { return Look(image.Bytes()); }
  // A disk of 256 KiB; the footer says what `footer` does.
  std::vector<std::byte> FixedDisk(Footer footer) {
    footer.disk_type = kTypeFixed;
    footer.data_offset = kNoOffset;
    footer.checksum = ChecksumOf(footer);
    std::vector<std::byte> bytes(TestImage::kDiskSize);
    const auto last = std::as_bytes(std::span(&footer, 1));
    bytes.insert(bytes.end(), last.begin(), last.end());
    return bytes;
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  Survey survey_;
};

// Puts a footer with the right checksum at the start of a file.
void PutFirst(Footer footer, std::vector<std::byte>& bytes) {
  footer.checksum = ChecksumOf(footer);
  std::memcpy(bytes.data(), &footer, sizeof(footer));
}

TEST_F(VpcSurveyTest, NothingIsSaidOfASoundDisk) {
  TestImage image;
  image.AddBlock(1, 7);
  EXPECT_THAT(Look(image), IsEmpty());
  EXPECT_THAT(Look(FixedDisk(image.footer())), IsEmpty());
  EXPECT_EQ(survey_.reader_memory(), 4 * TestImage::kEntries);
}

// Not all programs look at the checksum.
TEST_F(VpcSurveyTest, FootersThatDisagreeAreOfTwoDisks) {
  void (*const changes[])(Footer&) = {
      [](Footer& f) { f.current_size = 512; },
      [](Footer& f) { f.data_offset = 4096; },
      [](Footer& f) { f.disk_type = kTypeDifferencing; },
      [](Footer& f) { f.creator_application[0] = 'w'; },
  };
  for (const auto change : changes) {
    for (const uint32_t wrong : {0, 1}) {
      TestImage image;
      std::vector<std::byte> bytes = image.Bytes();
      Footer last = image.footer();
      change(last);
      last.checksum = ChecksumOf(last) + wrong;
      std::memcpy(&bytes[bytes.size() - sizeof(last)], &last, sizeof(last));
      survey_ = Survey();
      EXPECT_THAT(Look(bytes), ElementsAre(ConcernKind::kReadersDiffer));
    }
  }
}

TEST_F(VpcSurveyTest, FootersMayDifferInTheirTime) {
  TestImage image;
  std::vector<std::byte> bytes = image.Bytes();
  image.footer().time_stamp = 77;
  image.footer().saved_state = 1;
  PutFirst(image.footer(), bytes);
  EXPECT_THAT(Look(bytes), IsEmpty());
}

// QEMU goes by the first.
TEST_F(VpcSurveyTest, FixedDiskThatBeginsWithAnotherFooterIsTwoDisks) {
  const Footer footer = TestImage().footer();
  const std::vector<std::byte> disk = FixedDisk(footer);
  Footer first;
  std::memcpy(&first, &disk[TestImage::kDiskSize], sizeof(first));
  std::vector<std::byte> same = disk;
  PutFirst(first, same);
  EXPECT_THAT(Look(same), IsEmpty());

  for (const uint64_t size : {uint64_t{1} << 40, uint64_t{1024}}) {
    std::vector<std::byte> other = disk;
    first.current_size = size;
    PutFirst(first, other);
    survey_ = Survey();
    EXPECT_THAT(Look(other), ElementsAre(ConcernKind::kReadersDiffer)) << size;
  }
  std::vector<std::byte> cookie = disk;
  std::memcpy(cookie.data(), kFooterCookie.data(), kFooterCookie.size());
  survey_ = Survey();
  EXPECT_THAT(Look(cookie), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST_F(VpcSurveyTest, FirstFooterOfAFixedDiskMustBeRight) {
  std::vector<std::byte> bytes = FixedDisk(TestImage().footer());
  std::memcpy(bytes.data(), &bytes[TestImage::kDiskSize], sizeof(Footer));
  bytes[offsetof(Footer, checksum)] ^= std::byte{1};
  EXPECT_THAT(Look(bytes), ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(survey_.concerns()[0].text, HasSubstr("checksum"));
}

struct Sizes {
  std::string name;
  std::string creator;
  uint16_t cylinders;
  uint8_t heads;
  uint8_t sectors;
  std::vector<ConcernKind> expected;
};

void PrintTo(const Sizes& sizes, std::ostream* out) { *out << sizes.name; }

class VpcSizeSurveyTest : public VpcSurveyTest, public testing::WithParamInterface<Sizes> {};

// The disk has 512 sectors; the specification makes 7 * 4 * 17 of them.
TEST_P(VpcSizeSurveyTest, SaysWhatTheGeometryMeans) {
  TestImage image;
  std::copy_n(GetParam().creator.begin(), 4, image.footer().creator_application);
  image.footer().cylinders = GetParam().cylinders;
  image.footer().heads = GetParam().heads;
  image.footer().sectors_per_cylinder = GetParam().sectors;
  EXPECT_THAT(Look(FixedDisk(image.footer())), testing::ElementsAreArray(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    Vpc, VpcSizeSurveyTest,
    testing::Values(
        Sizes{"exact", "qemu", 32, 4, 4, {}}, Sizes{"largest", "qemu", 65535, 16, 255, {}},
        Sizes{"largest_of_virtual_pc", "vpc ", 65535, 16, 255, {}},
        Sizes{"calculated", "vpc ", 7, 4, 17, {ConcernKind::kOddity}},
        Sizes{"calculated_by_virtualbox", "vbox", 7, 4, 17, {ConcernKind::kOddity}},
        Sizes{"calculated_by_bochs", "bxic", 1, 15, 29, {ConcernKind::kOddity}},
        Sizes{"calculated_by_hyper_v", "win ", 7, 4, 17, {}},
        Sizes{"calculated_by_xen", std::string("tap\0", 4), 7, 4, 17, {}},
        Sizes{"nobody_looks_at_it", "win ", 2000, 16, 63, {}},
        Sizes{"larger_by_virtualbox", "vbox", 2000, 16, 63, {ConcernKind::kReadersDiffer}},
        Sizes{"larger_by_a_sector", "vbox", 27, 1, 19, {ConcernKind::kReadersDiffer}},
        Sizes{"larger_by_anybody", "evil", 2000, 16, 63, {ConcernKind::kReadersDiffer}},
        Sizes{"none", "qemu", 0, 0, 0, {ConcernKind::kReadersDiffer}},
        Sizes{"a_cylinder_less", "vs  ", 6, 4, 17, {ConcernKind::kReadersDiffer}},
        Sizes{"one_large_cylinder", "vbox", 1, 1, 255, {ConcernKind::kReadersDiffer}}),
    [](const auto& test) { return test.param.name; });

// What QEMU takes, a table of eight blocks can hold.
TEST_F(VpcSurveyTest, DiskThatIsLargerByItsGeometryIsTwoDisks) {
  TestImage image;
  std::copy_n("vpc ", 4, image.footer().creator_application);
  image.footer().cylinders = 8;
  image.footer().heads = 4;
  image.footer().sectors_per_cylinder = 17;
  image.header().max_table_entries = 8;
  EXPECT_THAT(Look(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST_F(VpcSurveyTest, DiskThatHadAnotherSizeIsTwoDisks) {
  TestImage image;
  image.footer().original_size = TestImage::kDiskSize / 2;
  EXPECT_THAT(Look(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST_F(VpcSurveyTest, TableMustBeInTheFile) {
  TestImage image;
  image.header().max_table_entries = 0x1fffff00;
  EXPECT_THAT(Look(image), ElementsAre(ConcernKind::kNotUnderstood));
  EXPECT_EQ(survey_.reader_memory(), 4u * 0x1fffff00);
}

TEST_F(VpcSurveyTest, LargeTableThatIsInTheFileIsNothingOdd) {
  TestImage image;
  image.header().max_table_entries = 600;
  EXPECT_THAT(Look(image), IsEmpty());
}

class VpcBitmapSurveyTest : public VpcSurveyTest {
 protected:
  VpcBitmapSurveyTest() : block_(image_.AddBlock(1, 0)) {}
  void ClearBit(uint64_t sector) {
    image_.SetBytes(block_ + sector / 8, static_cast<uint8_t>(0xff ^ 0x80 >> sector % 8));
  }
  void PutData(uint64_t sector) {
    image_.SetBytes(block_ + TestImage::kBitmapSize + sector * kSectorSize + 511, uint8_t{1});
  }
  TestImage image_;
  const uint64_t block_;
};

TEST_F(VpcBitmapSurveyTest, ZeroesMayBeNotInUse) {
  image_.SetRange(block_, std::vector<std::byte>(TestImage::kBitmapSize));
  EXPECT_THAT(Look(image_), IsEmpty());
}

TEST_F(VpcBitmapSurveyTest, DataMustBeInUse) {
  for (const uint64_t sector : {uint64_t{0}, uint64_t{77}, TestImage::kBlockSize / 512 - 1}) {
    image_ = TestImage();
    image_.AddBlock(1, 0);
    ClearBit(sector);
    PutData(sector);
    survey_ = Survey();
    EXPECT_THAT(Look(image_), IsEmpty()) << "not thorough";
    survey_.set_thorough(true);
    EXPECT_THAT(Look(image_), ElementsAre(ConcernKind::kReadersDiffer)) << sector;
  }
}

TEST_F(VpcBitmapSurveyTest, BitsOfOtherSectorsDoNotMatter) {
  ClearBit(8);
  PutData(7);
  PutData(9);
  EXPECT_THAT(Look(image_), IsEmpty());
}

TEST_F(VpcBitmapSurveyTest, WhatIsBehindTheDiskDoesNotMatter) {
  image_.footer().current_size = TestImage::kBlockSize + 4096;
  image_.footer().original_size = TestImage::kBlockSize + 4096;
  ClearBit(8);
  PutData(8);
  EXPECT_THAT(Look(image_), IsEmpty());
}

// A file that ends 100 bytes after a sector: one footer begins 412 bytes before, the other there.
TEST_F(VpcSurveyTest, FootersAtTwoEndsAreOfTwoDisks) {
  const Footer footer = TestImage().footer();
  std::vector<std::byte> bytes = FixedDisk(footer);
  const uint64_t size = bytes.size();
  bytes.resize(size + 100);
  std::memmove(&bytes[size - 412], &bytes[TestImage::kDiskSize], sizeof(Footer));
  Footer last;
  std::memcpy(&last, &bytes[size - 412], sizeof(last));
  last.current_size = 1024;
  last.original_size = 1024;
  last.checksum = 0u;
  // The second is within the first, and has no more than its own first 100 bytes.
  std::memcpy(&last.reserved[412 - offsetof(Footer, reserved)], &last, 85);
  last.checksum = ChecksumOf(last);
  std::memcpy(&bytes[size - 412], &last, sizeof(last));
  EXPECT_THAT(Look(bytes), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST_F(VpcSurveyTest, ShortFooterIsSaidToBeOne) {
  std::vector<std::byte> bytes = FixedDisk(TestImage().footer());
  bytes.pop_back();
  EXPECT_THAT(Look(bytes), ElementsAre(ConcernKind::kOddity));
}

}  // namespace
}  // namespace hotcell::guest::vpc
