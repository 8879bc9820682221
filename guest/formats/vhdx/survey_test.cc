// What is said of VHDXs that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "guest/formats/testing/survey_of.h"
#include "guest/formats/vhdx/crc32c.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/formats/vhdx/vhdx.h"

namespace hotcell::guest::vhdx {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A disk of 4 MiB, of which nothing is there. In MiB: 1 the log, 2 the metadata, 3 the table.
class TestImage {
 public:
  TestImage() : bytes_(4 * kMiB) {
    std::memcpy(bytes_.data(), kFileSignature.data(), kFileSignature.size());
    for (size_t i = 0; i < 2; ++i) {
      std::memcpy(headers[i].Signature, kHeaderSignature.data(), 4);
      headers[i].SequenceNumber = 7 + i;
      headers[i].Version = kVersion;
      headers[i].LogLength = uint32_t{kMiB};
      headers[i].LogOffset = kMiB;
      AddRegion(i, kBatRegion, 3 * kMiB, kMiB, kRequired);
      AddRegion(i, kMetadataRegion, 2 * kMiB, kMiB, kRequired);
    }
    AddItem(kFileParameters, 8, uint64_t{kMiB}, kItemIsRequired);
    AddItem(kVirtualDiskSize, 8, 4 * kMiB, kItemIsRequired | kItemIsVirtualDisk);
    AddItem(kLogicalSectorSize, 4, 512, kItemIsRequired | kItemIsVirtualDisk);
    AddItem(kPhysicalSectorSize, 4, 512, kItemIsRequired | kItemIsVirtualDisk);
  }

  void AddRegion(size_t table, const Guid& id, uint64_t offset, uint32_t length = kMiB,
                 uint32_t required = 0) {
    RegionTableEntry entry = {
        .Id = id, .FileOffset = offset, .Length = length, .Required = required};
    Put(kRegionTableOffsets[table] + sizeof(RegionTableHeader) +
            region_counts_[table] * sizeof(entry),
        entry);
    ++region_counts_[table];
  }
  void AddItem(const Guid& id, uint32_t length, uint64_t value, uint32_t flags = 0) {
    const uint32_t offset = kMetadataTableSize + items_ * 64;
    MetadataTableEntry entry = {
        .ItemId = id, .Offset = offset, .Length = length, .Flags = flags, .Reserved = 0u};
    Put(2 * kMiB + sizeof(MetadataTableHeader) + items_ * sizeof(entry), entry);
    Put(2 * kMiB + offset, Le64(value));
    ++items_;
  }
  void MarkAsUnrequired(uint32_t region) {
    for (const uint64_t table : kRegionTableOffsets) {
      Put(table + sizeof(RegionTableHeader) + region * sizeof(RegionTableEntry) +
              offsetof(RegionTableEntry, Required),
          Le32(0u));
    }
  }
  // The size of the block allocation table in both region tables; the file grows to hold it.
  void SetBatSize(uint32_t size) {
    for (const uint64_t table : kRegionTableOffsets) {
      Put(table + sizeof(RegionTableHeader) + offsetof(RegionTableEntry, Length), Le32(size));
    }
    bytes_.resize(3 * kMiB + size);
  }

  std::vector<std::byte> Bytes() {
    for (size_t i = 0; i < 2; ++i) {
      Put(kHeaderOffsets[i], headers[i]);
      Sum(kHeaderOffsets[i], sizeof(Header), change_header[i]);
      RegionTableHeader table = {.Checksum = 0u, .EntryCount = region_counts_[i], .Reserved = 0u};
      std::memcpy(table.Signature, kRegionSignature.data(), 4);
      Put(kRegionTableOffsets[i], table);
      Sum(kRegionTableOffsets[i], kRegionTableSize, change_table[i]);
    }
    MetadataTableHeader table = {};
    std::memcpy(table.Signature, kMetadataSignature.data(), 8);
    table.EntryCount = static_cast<uint16_t>(items_);
    Put(2 * kMiB, table);
    return bytes_;
  }

  Header headers[2] = {};
  uint32_t change_header[2] = {};  // how checksums are wrong
  uint32_t change_table[2] = {};

 private:
  template <typename T>
  void Put(uint64_t offset, const T& value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(value));
  }
  void Sum(uint64_t offset, uint64_t size, uint32_t change) {
    const std::span<const std::byte> structure = std::span(bytes_).subspan(offset, size);
    Put(offset + 4, Le32(Crc32c(structure) ^ change));
  }

  std::vector<std::byte> bytes_;
  uint32_t region_counts_[2] = {};
  uint32_t items_ = 0;
};

std::vector<ConcernKind> Kinds(TestImage& image) {
  return KindsOf(SurveyOf(kVhdxFormat, image.Bytes()));
}

TEST(VhdxSurveyTest, SoundImageIsNoConcernAndCostsItsTable) {
  TestImage image;

  const Survey survey = SurveyOf(kVhdxFormat, image.Bytes());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_EQ(survey.reader_memory(), kMiB + 128 * kKiB);
}

TEST(VhdxSurveyTest, IdentifiersThatChangeBetweenHeadersAreNoConcern) {
  TestImage image;
  image.headers[0].LogGuid = {1};
  image.headers[0].FileWriteGuid = {2};

  EXPECT_THAT(Kinds(image), IsEmpty());
}

TEST(VhdxSurveyTest, DamagedHeaderIsReadDifferently) {
  TestImage image;
  image.change_header[0] = 1;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(VhdxSurveyTest, HeadersOfDifferentLogsAreReadDifferently) {
  TestImage image;
  image.headers[0].LogLength = 0u;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(VhdxSurveyTest, DamagedRegionTableIsReadDifferently) {
  for (const size_t table : {0, 1}) {
    TestImage image;
    image.change_table[table] = 1;

    EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer)) << table;
  }
}

TEST(VhdxSurveyTest, RegionTablesThatDifferAreReadDifferently) {
  TestImage image;
  image.AddRegion(1, {9}, 4 * kMiB);

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(VhdxSurveyTest, WhatIsUnknownAndNotRequiredIsOdd) {
  TestImage image;
  image.SetBatSize(kMiB);
  image.AddRegion(0, {9}, 5 * kMiB, 0);
  image.AddRegion(1, {9}, 5 * kMiB, 0);
  image.AddItem({9}, 8, 0);
  image.AddItem(kParentLocatorItem, 8, 0, kItemIsRequired);

  EXPECT_THAT(Kinds(image),
              ElementsAre(ConcernKind::kOddity, ConcernKind::kOddity, ConcernKind::kOddity));
}

TEST(VhdxSurveyTest, RegionsNotMarkedAsRequiredAreNoConcern) {
  TestImage image;  // as by QEMU
  image.MarkAsUnrequired(0);
  image.MarkAsUnrequired(1);

  EXPECT_THAT(Kinds(image), IsEmpty());
}

TEST(VhdxSurveyTest, ItemsOfOtherFlagsThanSpecifiedAreNotUnderstood) {
  TestImage image;
  image.AddItem(kVirtualDiskId, 16, 0, kItemIsRequired);

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(VhdxSurveyTest, SoManyRegionsThatOpeningTakesLongAreNotUnderstood) {
  TestImage image;
  for (uint8_t i = 1; i <= 5; ++i) {
    for (const size_t table : {0, 1}) image.AddRegion(table, {i}, (4 + i) * kMiB, 0);
  }

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(VhdxSurveyTest, TableIsLoadedWhateverTheDiskNeedsOfIt) {
  TestImage image;
  image.SetBatSize(16 * kMiB);

  EXPECT_GE(SurveyOf(kVhdxFormat, image.Bytes()).reader_memory(), 16 * kMiB);
}

// A log entry of one sector that changes nothing.
TEST(VhdxSurveyTest, LogToReplayIsReadDifferently) {
  TestImage image;
  image.headers[1].LogGuid = {1};
  std::vector<std::byte> bytes = image.Bytes();
  LogEntryHeader entry = {};
  std::memcpy(entry.Signature, kLogEntrySignature.data(), 4);
  entry.EntryLength = uint32_t{kLogSector};
  entry.SequenceNumber = 1u;
  entry.LogGuid = {1};
  entry.FlushedFileOffset = entry.LastFileOffset = bytes.size();
  std::memcpy(bytes.data() + kMiB, &entry, sizeof(entry));
  const Le32 sum = Crc32c(std::span<const std::byte>(bytes).subspan(kMiB, kLogSector));
  std::memcpy(bytes.data() + kMiB + 4, &sum, sizeof(sum));

  EXPECT_THAT(KindsOf(SurveyOf(kVhdxFormat, bytes)), ElementsAre(ConcernKind::kReadersDiffer));
}

}  // namespace
}  // namespace hotcell::guest::vhdx
