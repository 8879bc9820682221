// What is said of qcow2 images that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/alignment.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/formats/qcow2/test_image.h"
#include "guest/formats/testing/survey_of.h"

namespace hotcell::guest::qcow2 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kTiB = 1ull << 40;
constexpr uint64_t kMiB = 1 << 20;

std::vector<ConcernKind> Kinds(const TestImage& image) {
  return KindsOf(SurveyOf(kQcow2Format, image.MakeFile()));
}

std::string FirstText(const TestImage& image) {
  const Survey survey = SurveyOf(kQcow2Format, image.MakeFile());
  return survey.concerns().empty() ? "" : survey.concerns()[0].text;
}

void SetDiskSize(TestImage& image, uint64_t size) {
  constexpr uint64_t kCoverage = TestImage::kClusterSize * TestImage::kClusterSize / 8;
  image.header().size = size;
  image.header().l1_size = static_cast<uint32_t>(DivideUp(size, kCoverage));
}

struct TestBitmap {
  uint8_t granularity_bits = 16;
  uint32_t flags = 0;
  uint32_t table_size = 1;
};

void AddBitmaps(TestImage& image, const std::vector<TestBitmap>& bitmaps) {
  constexpr size_t kEntrySize = sizeof(BitmapDirectoryEntry) + 8;
  const uint64_t directory = image.AppendCluster(0);
  for (size_t i = 0; i < bitmaps.size(); ++i) {
    BitmapDirectoryEntry entry = {};
    entry.bitmap_table_offset = TestImage::kL2;
    entry.bitmap_table_size = bitmaps[i].table_size;
    entry.flags = bitmaps[i].flags;
    entry.type = 1;
    entry.granularity_bits = bitmaps[i].granularity_bits;
    entry.name_size = 1;
    image.SetBytes(directory + i * kEntrySize, entry);
    image.SetText(directory + i * kEntrySize + sizeof(entry), {"b\0\0\0\0\0\0\0", 8});
  }
  BitmapsExtension extension = {};
  extension.nb_bitmaps = static_cast<uint32_t>(bitmaps.size());
  extension.bitmap_directory_size = bitmaps.size() * kEntrySize;
  extension.bitmap_directory_offset = directory;
  image.header().autoclear_features = kAutoclearBitmaps;
  image.AddExtension(kExtensionBitmaps,
                     {reinterpret_cast<const char*>(&extension), sizeof(extension)});
}

uint64_t ReaderMemory(const TestImage& image) {
  return SurveyOf(kQcow2Format, image.MakeFile()).reader_memory();
}

TEST(Qcow2SurveyTest, SoundImageIsNoConcernAndCostsItsTables) {
  const Survey survey = SurveyOf(kQcow2Format, TestImage().MakeFile());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_GT(survey.reader_memory(), TestImage::kClusterSize);
  EXPECT_LT(survey.reader_memory(), kMiB);
}

TEST(Qcow2SurveyTest, SizeOfNoWholeSectorsIsReadDifferently) {
  TestImage image;
  image.header().size = TestImage::kDiskSize - 24;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(FirstText(image), HasSubstr("1048552 bytes"));
}

TEST(Qcow2SurveyTest, DataFileWithoutANameIsAReference) {
  TestImage image;
  image.header().incompatible_features = kIncompatibleDataFile;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kHiddenReference));
}

TEST(Qcow2SurveyTest, BitsWithoutAMeaningAreOdd) {
  TestImage image;
  image.header().compatible_features = 1u << 5;
  image.header().autoclear_features = 1u << 9;
  image.header().header_length = 120u;

  EXPECT_THAT(Kinds(image),
              ElementsAre(ConcernKind::kOddity, ConcernKind::kOddity, ConcernKind::kOddity));
}

TEST(Qcow2SurveyTest, RawDataFileThatIsNotThereIsNotUnderstood) {
  TestImage image;
  image.header().autoclear_features = kAutoclearRawDataFile;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, BackingFormatWithoutABackingFileIsOdd) {
  TestImage image;
  image.AddExtension(kExtensionBackingFormat, "raw");

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kOddity));
}

TEST(Qcow2SurveyTest, EncryptionHeaderOfAPlainImageIsNotUnderstood) {
  TestImage image;
  EncryptionExtension extension = {};
  extension.offset = image.AppendCluster(0);
  extension.length = TestImage::kClusterSize;
  image.AddExtension(kExtensionEncryption,
                     {reinterpret_cast<const char*>(&extension), sizeof(extension)});

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, SoManyExtensionsThatOpeningTakesLongAreNotUnderstood) {
  TestImage image;
  for (uint32_t i = 0; i < 5000; ++i) image.AddExtension(0x12345678, "");

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, TablesThatOverlapAreNotUnderstood) {
  TestImage image;
  image.header().l1_table_offset = TestImage::kRefcountTable;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
  EXPECT_THAT(FirstText(image), HasSubstr("overlaps"));
}

TEST(Qcow2SurveyTest, BitmapOfATebibyteCostsMebibytes) {
  TestImage image;
  SetDiskSize(image, kTiB);
  AddBitmaps(image, {{.table_size = 32}});

  const Survey survey = SurveyOf(kQcow2Format, image.MakeFile());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_GT(survey.reader_memory(), 2 * kMiB);
  EXPECT_LT(survey.reader_memory(), 3 * kMiB);
}

TEST(Qcow2SurveyTest, MemoryForBitmapsAddsUpWhetherInUseOrNot) {
  TestImage image;
  SetDiskSize(image, kTiB);
  AddBitmaps(image, {{.granularity_bits = 9, .table_size = 4096},
                     {.granularity_bits = 9, .flags = kBitmapInUse, .table_size = 4096}});

  // 2^31 bits and their levels, twice.
  EXPECT_GT(ReaderMemory(image), 2 * 256 * kMiB);
  EXPECT_LT(ReaderMemory(image), 2 * 264 * kMiB);
  EXPECT_THAT(Kinds(image), IsEmpty());
}

TEST(Qcow2SurveyTest, BitmapWithTooSmallATableIsNotUnderstoodEvenInUse) {
  TestImage image;
  SetDiskSize(image, kTiB);
  AddBitmaps(image, {{.flags = kBitmapInUse, .table_size = 31}});

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, BitmapThatNoProgramTakesIsNotUnderstood) {
  TestImage image;
  AddBitmaps(image, {{.granularity_bits = 8}});

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, DirectoryThatCannotBeReadIsNotUnderstood) {
  TestImage image;
  AddBitmaps(image, {{.granularity_bits = 40}});

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, SoManyBitmapsThatOpeningTakesLongAreNotUnderstood) {
  TestImage image;
  AddBitmaps(image, std::vector<TestBitmap>(5000));

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
  EXPECT_THAT(FirstText(image), HasSubstr("5000 bitmaps"));
}

TEST(Qcow2SurveyTest, SoManySnapshotsThatOpeningTakesLongAreNotUnderstood) {
  TestImage image;
  const uint64_t table = image.AppendCluster(0);
  image.header().nb_snapshots = 5000u;
  image.header().snapshots_offset = table;
  image.Resize(table + 5000 * sizeof(SnapshotEntry));

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(Qcow2SurveyTest, SnapshotOfAnotherSizeIsOdd) {
  TestImage image;
  const uint64_t table = image.AppendCluster(0);
  image.header().nb_snapshots = 1u;
  image.header().snapshots_offset = table;
  SnapshotEntry entry = {};
  entry.l1_table_offset = TestImage::kL1;
  entry.l1_size = 1u;
  entry.id_str_size = 1;
  entry.extra_data_size = 16u;
  image.SetBytes(table, entry);
  image.SetWord(table + sizeof(entry) + 8, TestImage::kDiskSize / 2);
  image.SetText(table + sizeof(entry) + 16, "7");

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kOddity));
  EXPECT_THAT(FirstText(image), HasSubstr("snapshot '7' has 524288 bytes"));
}

// An image whose first cluster has 2 MiB, of which a filler takes so much that what follows begins
// at `next`.
class WideHeader {
 public:
  explicit WideHeader(uint64_t next) : bytes_(4 * kCluster) {
    header_.magic = kMagic;
    header_.version = 3;
    header_.cluster_bits = 21;
    header_.size = kMiB;
    header_.l1_size = 1;
    header_.l1_table_offset = 3 * kCluster;
    header_.refcount_table_offset = kCluster;
    header_.refcount_table_clusters = 1;
    header_.refcount_order = 4;
    header_.header_length = sizeof(Header);
    Put(0, header_);
    end_ = sizeof(Header);
    AddExtension(0x12345678, std::string(next - end_ - sizeof(ExtensionHeader), '\0'));
  }
  void AddExtension(uint32_t type, std::string_view data) {
    Put(end_, ExtensionHeader{.type = type, .length = static_cast<uint32_t>(data.size())});
    std::copy(data.begin(), data.end(),
              reinterpret_cast<char*>(bytes_.data()) + end_ + sizeof(ExtensionHeader));
    end_ += sizeof(ExtensionHeader) + AlignUp(data.size(), 8);
  }
  void SetIncompatible(uint64_t bits) {
    header_.incompatible_features = bits;
    Put(0, header_);
  }
  void SetBackingFileOffset(uint64_t offset) {
    header_.backing_file_offset = offset;
    Put(0, header_);
  }
  Result<ImageDescription> Describe() const {
    NativeFiles files;
    NativeChannel io(files);
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes_));
    const auto reader = OpenQcow2(io, file, {.describe_only = true});
    if (!reader.ok()) return reader.status();
    return (*reader)->Describe();
  }

 private:
  static constexpr uint64_t kCluster = 2 * kMiB;

  template <typename T>
  void Put(uint64_t offset, const T& value) {
    const auto data = std::as_bytes(std::span(&value, 1));
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
  }

  Header header_ = {};
  std::vector<std::byte> bytes_;
  uint64_t end_ = 0;
};

// Where the extension starts that names the data file, in the first cluster.
class Qcow2WideHeaderTest : public testing::TestWithParam<uint64_t> {};

TEST_P(Qcow2WideHeaderTest, DataFileIsSeenAnywhereInTheFirstCluster) {
  WideHeader image(GetParam());
  image.SetIncompatible(kIncompatibleDataFile);
  image.AddExtension(kExtensionDataFile, "/any/file");

  const auto description = image.Describe();

  ASSERT_TRUE(description.ok()) << description.status().message();
  ASSERT_EQ(description->references.size(), 1u);
  EXPECT_EQ(description->references[0].name, "/any/file");
}

INSTANTIATE_TEST_SUITE_P(Places, Qcow2WideHeaderTest,
                         testing::Values(65528, 65536, 65544, 1 << 20, (2 << 20) - 24));

TEST(Qcow2SurveyTest, ExtensionThatStartsInTheLastBytesBeforeABackingNameIsRefused) {
  WideHeader image(200);
  image.AddExtension(kExtensionDataFile, "x");
  image.SetBackingFileOffset(204);

  EXPECT_EQ(image.Describe().status().code(), Code::kCorruptImage);
}

}  // namespace
}  // namespace hotcell::guest::qcow2
