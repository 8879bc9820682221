#include "guest/formats/qcow2/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/formats/qcow2/test_image.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/testing/oracle.h"
#include "guest/runtime/native/native_lanes.h"

namespace hotcell::guest::qcow2 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = Extent::Kind;

constexpr uint64_t kCluster = TestImage::kClusterSize;

class Qcow2ReaderTest : public testing::Test {
 protected:
  std::unique_ptr<ImageReader> Open(const TestImage& image, const OpenOptions& options = {}) {
    const FileHandle file = files_.Add(image.MakeFile());
    auto reader = OpenQcow2(io_, file, options);
    EXPECT_TRUE(reader.ok()) << reader.status().message();
    return reader.ok() ? std::move(*reader) : nullptr;
  }

  Extent Map(ImageReader& reader, uint64_t offset, uint64_t length) {
    const auto extent = reader.Map(io_, offset, length);
    EXPECT_TRUE(extent.ok()) << extent.status().message();
    return extent.ok() ? *extent : Extent{};
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  TestImage image_;
};

TEST_F(Qcow2ReaderTest, EmptyImageIsOneUnallocatedExtent) {
  const auto reader = Open(image_);

  const Extent extent = Map(*reader, 0, TestImage::kDiskSize);

  EXPECT_EQ(extent.kind, Kind::kUnallocated);
  EXPECT_EQ(extent.length, TestImage::kDiskSize);
}

TEST_F(Qcow2ReaderTest, AdjacentClustersAreOneExtent) {
  const uint64_t first = image_.AppendCluster(1);
  for (uint64_t i = 0; i < 3; ++i) image_.SetL2(2 + i, i == 0 ? first : image_.AppendCluster(1));
  const auto reader = Open(image_);

  const Extent extent = Map(*reader, 2 * kCluster + 100, 10 * kCluster);

  EXPECT_EQ(extent.kind, Kind::kData);
  EXPECT_EQ(extent.offset, first + 100);
  EXPECT_EQ(extent.length, 3 * kCluster - 100);
}

TEST_F(Qcow2ReaderTest, ScatteredClustersAreExtentsOfTheirOwn) {
  const uint64_t first = image_.AppendCluster(1);
  const uint64_t second = image_.AppendCluster(2);
  image_.SetL2(0, second);
  image_.SetL2(1, first);
  const auto reader = Open(image_);

  const Extent extent = Map(*reader, 0, 2 * kCluster);

  EXPECT_EQ(extent.offset, second);
  EXPECT_EQ(extent.length, kCluster);
}

TEST_F(Qcow2ReaderTest, ExtentIsNoLongerThanAskedFor) {
  image_.SetL2(0, image_.AppendCluster(1));
  const auto reader = Open(image_);

  EXPECT_EQ(Map(*reader, 10, 1).length, 1u);
  EXPECT_EQ(Map(*reader, 3 * kCluster - 1, 2).length, 2u);
}

TEST_F(Qcow2ReaderTest, ZeroClustersTellTheSpaceThatIsSetAsideForThem) {
  image_.SetL2(0, kEntryZero);
  const uint64_t first = image_.AppendCluster(1);
  image_.SetL2(1, first | kEntryZero | kEntryCopied);
  image_.SetL2(2, image_.AppendCluster(1) | kEntryZero | kEntryCopied);
  const auto reader = Open(image_);

  const Extent plain = Map(*reader, 0, TestImage::kDiskSize);
  const Extent reserved = Map(*reader, kCluster + 512, TestImage::kDiskSize - kCluster - 512);

  EXPECT_EQ(plain.kind, Kind::kZero);
  EXPECT_EQ(plain.length, kCluster);
  EXPECT_FALSE(plain.reserved);
  EXPECT_EQ(reserved.kind, Kind::kZero);
  EXPECT_EQ(reserved.length, 2 * kCluster - 512);
  EXPECT_TRUE(reserved.reserved);
  EXPECT_EQ(reserved.offset, first + 512);
}

TEST_F(Qcow2ReaderTest, ClusterCutByTheFilesEndReadsAsZeroesFromThere) {
  const uint64_t data = image_.AppendCluster(7);
  image_.SetL2(0, data);
  image_.Resize(data + 1000);
  const auto reader = Open(image_);

  const Extent present = Map(*reader, 0, kCluster);
  const Extent missing = Map(*reader, 1000, kCluster - 1000);

  EXPECT_EQ(present.kind, Kind::kData);
  EXPECT_EQ(present.length, 1000u);
  EXPECT_EQ(missing.kind, Kind::kZero);
  EXPECT_EQ(missing.length, kCluster - 1000);
}

TEST_F(Qcow2ReaderTest, WhatComesBeforeDamageCanBeRead) {
  image_.SetL2(0, image_.AppendCluster(1));
  image_.SetL2(1, 0x123456789a0000);
  const auto reader = Open(image_);

  EXPECT_EQ(Map(*reader, 0, TestImage::kDiskSize).length, kCluster);
  EXPECT_EQ(reader->Map(io_, kCluster, kCluster).status().code(), Code::kCorruptImage);
  EXPECT_EQ(Map(*reader, 2 * kCluster, kCluster).kind, Kind::kUnallocated);
}

TEST_F(Qcow2ReaderTest, CompressedClusterIsDescribedWithinTheFile) {
  const uint64_t data = image_.AppendCluster(0);
  // 3 more sectors than the one the stream starts in, of which the file has two.
  image_.SetL2(1, kEntryCompressed | 3ull << 54 | (data + 700));
  image_.Resize(data + 1536);
  const auto reader = Open(image_);

  const Extent extent = Map(*reader, kCluster + 5, kCluster - 5);

  EXPECT_EQ(extent.kind, Kind::kCompressed);
  EXPECT_EQ(extent.length, kCluster - 5);
  EXPECT_EQ(extent.offset, data + 700);
  EXPECT_EQ(extent.compressed_size, 1536u - 700u);
  EXPECT_EQ(extent.cluster_size, kCluster);
  EXPECT_EQ(extent.offset_in_cluster, 5u);
  EXPECT_EQ(extent.compression, Compression::kDeflate);
}

TEST_F(Qcow2ReaderTest, CompressedStreamWithinTheFileHasItsSectors) {
  const uint64_t data = image_.AppendCluster(0);
  image_.SetL2(0, kEntryCompressed | 3ull << 54 | (data + 700));
  const auto reader = Open(image_);

  EXPECT_EQ(Map(*reader, 0, kCluster).compressed_size, 4u * 512 - 700 % 512);
}

TEST_F(Qcow2ReaderTest, SubclustersOfOneKindAreOneExtent) {
  constexpr uint64_t kSub = kCluster / kSubclusters;
  image_.header().incompatible_features = kIncompatibleExtendedL2;
  const uint64_t data = image_.AppendCluster(1);
  // Allocated: 0, 1, 31. Zero: 2, 3.
  image_.SetExtendedL2(0, data, 1ull << 34 | 1ull << 35 | 1ull << 31 | 3);
  // Adjacent in the file, and all allocated.
  image_.SetExtendedL2(1, image_.AppendCluster(2), 0xffffffff);
  const auto reader = Open(image_);

  const Extent allocated = Map(*reader, 0, kCluster);
  const Extent zero = Map(*reader, 2 * kSub, kCluster);
  const Extent unallocated = Map(*reader, 4 * kSub, kCluster);
  const Extent across = Map(*reader, 31 * kSub, 2 * kCluster);

  EXPECT_EQ(allocated.kind, Kind::kData);
  EXPECT_EQ(allocated.length, 2 * kSub);
  EXPECT_EQ(zero.kind, Kind::kZero);
  EXPECT_EQ(zero.length, 2 * kSub);
  EXPECT_EQ(unallocated.kind, Kind::kUnallocated);
  EXPECT_EQ(unallocated.length, 27 * kSub);
  EXPECT_EQ(across.kind, Kind::kData);
  EXPECT_EQ(across.offset, data + 31 * kSub);
  EXPECT_EQ(across.length, kSub + kCluster);
}

TEST_F(Qcow2ReaderTest, DiskSizeNeedsNotBeAMultipleOfASector) {
  image_.header().size = 1000;
  image_.SetL2(0, image_.AppendCluster(3));
  const auto reader = Open(image_);

  EXPECT_EQ(reader->virtual_size(), 1000u);
  EXPECT_EQ(Map(*reader, 999, 1).kind, Kind::kData);
}

TEST_F(Qcow2ReaderTest, HugeHoleIsOneCheapExtent) {
  // 2 EiB: an L1 table of 32 MiB in clusters of 2 MiB, all of it a hole but the last entry.
  constexpr uint64_t kBig = 2 << 20;
  constexpr uint64_t kEntries = kMaxL1Bytes / 8;
  image_.header().cluster_bits = 21;
  image_.header().size = kEntries * (kBig / 8) * kBig;
  image_.header().l1_size = kEntries;
  image_.header().l1_table_offset = 2 * kBig;
  image_.header().refcount_table_offset = kBig;
  image_.SetWord(2 * kBig + (kEntries - 1) * 8, 2 * kBig + kMaxL1Bytes);
  image_.Resize(2 * kBig + kMaxL1Bytes + kBig);
  const auto reader = Open(image_);
  const uint64_t before = io_.request_count();

  const Extent extent = Map(*reader, 0, reader->virtual_size());

  EXPECT_EQ(extent.kind, Kind::kUnallocated);
  EXPECT_EQ(extent.length, reader->virtual_size());
  EXPECT_LE(io_.request_count() - before, kMaxL1Bytes / (64 << 10) + 32);
}

TEST_F(Qcow2ReaderTest, HugeL1TableOfOneL2TableIsCorrupt) {
  constexpr uint64_t kEntries = kMaxL1Bytes / 8;
  image_.header().cluster_bits = 12;
  image_.header().size = kEntries * 512 * 4096;
  image_.header().l1_size = kEntries;
  image_.header().l1_table_offset = 1 << 20;
  for (uint64_t i = 0; i < kEntries; ++i) image_.SetWord((1 << 20) + i * 8, TestImage::kL2);
  const FileHandle file = files_.Add(image_.MakeFile());

  const Status status = OpenQcow2(io_, file, {}).status();

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), HasSubstr("claim the same L2 table at 0x40000"));
}

TEST_F(Qcow2ReaderTest, DiskBiggerThanTheLimitIsRefused) {
  const FileHandle file = files_.Add(image_.MakeFile());

  const auto status = OpenQcow2(io_, file, {.max_virtual_size = TestImage::kDiskSize - 1}).status();

  EXPECT_EQ(status.code(), Code::kLimit);
  EXPECT_THAT(status.message(), HasSubstr("the disk has 1048576 bytes"));
}

TEST_F(Qcow2ReaderTest, DirtyAndCorruptImagesAreReadWithAWarning) {
  image_.header().incompatible_features = kIncompatibleDirty | kIncompatibleCorrupt;
  const auto reader = Open(image_);

  const ImageDescription description = reader->Describe();

  EXPECT_TRUE(description.dirty);
  EXPECT_TRUE(description.corrupt);
  EXPECT_EQ(FormatSpecific(description, "")["data"]["corrupt"], true);
  EXPECT_THAT(description.warnings,
              ElementsAre(HasSubstr("marked as corrupt"), HasSubstr("marked as dirty")));
}

TEST_F(Qcow2ReaderTest, DescribingNeedsNoWholeTables) {
  image_.header().l1_size = 8192;
  image_.header().crypt_method = kCryptLuks;
  image_.header().incompatible_features = kIncompatibleDataFile;
  image_.header().autoclear_features = kAutoclearRawDataFile;
  image_.AddExtension(kExtensionDataFile, "elsewhere.raw");
  image_.SetBackingFile("base.img");
  image_.AddExtension(kExtensionBackingFormat, "raw");
  image_.Resize(TestImage::kL1 + 8);
  const auto reader = Open(image_, {.max_virtual_size = 1, .describe_only = true});

  const ImageDescription description = reader->Describe();

  EXPECT_TRUE(description.encrypted);
  const nlohmann::json data = FormatSpecific(description, "")["data"];
  EXPECT_EQ(data["encrypt"]["format"], "luks");
  EXPECT_EQ(data["data-file"], "elsewhere.raw");
  EXPECT_EQ(data["data-file-raw"], true);
  EXPECT_EQ(description.backing->name, "base.img");
  EXPECT_EQ(description.backing->format, "raw");
  EXPECT_EQ(description.encryption, "luks");
  EXPECT_THAT(description.features, ElementsAre("version 3", "incompatible: external data file",
                                                "autoclear: raw external data"));
  ASSERT_EQ(description.references.size(), 2u);
  EXPECT_EQ(description.references[0].kind, ReferenceKind::kBackingFile);
  EXPECT_EQ(description.references[1].kind, ReferenceKind::kDataFile);
  EXPECT_EQ(description.references[1].name, "elsewhere.raw");
  EXPECT_THAT(description.warnings, ElementsAre(HasSubstr("reaches past the end of the file")));
}

TEST_F(Qcow2ReaderTest, FeatureBitsAreNamedAsFarAsTheyCanBe) {
  image_.header().compatible_features = 1u << 0 | 1u << 5 | 1u << 6;
  std::string table(48, '\0');
  table[0] = 1;
  table[1] = 5;
  table.replace(2, 4, "warp");
  image_.AddExtension(kExtensionFeatureNames, table);

  EXPECT_THAT(Open(image_)->Describe().features,
              ElementsAre("version 3", "compatible: lazy refcounts", "compatible: warp (bit 5)",
                          "compatible: bit 6"));
}

TEST_F(Qcow2ReaderTest, OddHeadersAreReadWithAWarning) {
  image_.header().refcount_table_clusters = 0;
  image_.AddExtension(kExtensionDataFile, "elsewhere.raw");

  EXPECT_THAT(Open(image_)->Describe().warnings,
              ElementsAre(HasSubstr("names the data file 'elsewhere.raw' but does not use it"),
                          HasSubstr("has no refcount table")));
}

TEST_F(Qcow2ReaderTest, UnknownExtensionsAndCompatibleFeaturesAreSkipped) {
  image_.header().compatible_features = ~uint64_t{0};
  image_.header().autoclear_features = ~uint64_t{3};
  image_.AddExtension(0xabcdef01, "12345");
  image_.SetBackingFile("b");
  image_.AddExtension(kExtensionBackingFormat, "qcow2");
  const auto reader = Open(image_);

  EXPECT_EQ(FormatSpecific(reader->Describe(), "")["data"]["lazy-refcounts"], true);
  EXPECT_EQ(reader->Describe().backing->format, "qcow2");
}

TEST_F(Qcow2ReaderTest, DamagedBitmapDirectoryIsAWarning) {
  image_.header().autoclear_features = kAutoclearBitmaps;
  const BitmapsExtension bitmaps = {.nb_bitmaps = 2,
                                    .reserved = 0,
                                    .bitmap_directory_size = 64,
                                    .bitmap_directory_offset = image_.AppendCluster(0)};
  image_.AddExtension(kExtensionBitmaps,
                      {reinterpret_cast<const char*>(&bitmaps), sizeof(bitmaps)});
  const auto reader = Open(image_, {.describe_only = true});

  EXPECT_THAT(reader->Describe().warnings, ElementsAre(HasSubstr("a bitmap's name has 0 bytes")));
}

// A table of three snapshots: version 2's without extra data, one with a large VM state, one with
// an instruction count.
void AddSnapshots(TestImage& image, uint64_t l1_offset) {
  const uint64_t table = image.AppendCluster(0);
  image.header().nb_snapshots = 3;
  image.header().snapshots_offset = table;
  SnapshotEntry entry{};
  entry.l1_table_offset = l1_offset;
  entry.l1_size = 1;
  entry.id_str_size = 1;
  entry.name_size = 3;
  entry.vm_state_size = 77;
  entry.vm_clock_nsec = 5'000'000'001;
  uint64_t at = table;
  image.SetBytes(at, entry);
  image.SetText(at + 40, "1old");
  at += 48;
  entry.extra_data_size = 16;
  image.SetBytes(at, entry);
  image.SetWord(at + 40, 1ull << 40);
  image.SetWord(at + 48, 3 * kCluster);
  image.SetText(at + 56, "2big");
  at += 64;
  entry.extra_data_size = 24;
  image.SetBytes(at, entry);
  image.SetWord(at + 40, 0);
  image.SetWord(at + 48, kCluster);
  image.SetWord(at + 56, 123456789);
  image.SetText(at + 64, "3old");
}

TEST_F(Qcow2ReaderTest, SnapshotsAreListedWithTheirExtraData) {
  AddSnapshots(image_, TestImage::kL1);
  const auto snapshots = Open(image_)->Describe().snapshots;

  ASSERT_EQ(snapshots.size(), 3u);
  EXPECT_EQ(snapshots[0].name, "old");
  EXPECT_EQ(snapshots[0].vm_state_size, 77u);
  EXPECT_EQ(snapshots[0].virtual_size, TestImage::kDiskSize);
  EXPECT_EQ(snapshots[0].vm_clock_nsec, 5'000'000'001u);
  EXPECT_EQ(snapshots[0].icount, std::nullopt);
  EXPECT_EQ(snapshots[1].vm_state_size, 1ull << 40);
  EXPECT_EQ(snapshots[1].virtual_size, 3 * kCluster);
  EXPECT_EQ(snapshots[1].icount, std::nullopt);
  EXPECT_EQ(snapshots[2].icount, 123456789u);
}

TEST_F(Qcow2ReaderTest, SelectedSnapshotIsRead) {
  const uint64_t l2 = image_.AppendCluster(0);
  const uint64_t l1 = image_.AppendCluster(0);
  image_.SetWord(l1, l2);
  image_.SetWord(l2, image_.AppendCluster(9));
  AddSnapshots(image_, l1);
  const auto reader = Open(image_);

  ASSERT_TRUE(reader->SelectSnapshot(io_, {.id_or_name = "big"}).ok());

  EXPECT_EQ(reader->virtual_size(), 3 * kCluster);
  EXPECT_EQ(Map(*reader, 0, kCluster).kind, Kind::kData);
}

TEST_F(Qcow2ReaderTest, SnapshotIdComesBeforeName) {
  AddSnapshots(image_, image_.AppendCluster(0));
  const auto by_id = Open(image_);
  const auto by_name = Open(image_);

  ASSERT_TRUE(by_id->SelectSnapshot(io_, {.id_or_name = "3"}).ok());
  ASSERT_TRUE(by_name->SelectSnapshot(io_, {.id_or_name = "old"}).ok());

  EXPECT_EQ(by_id->virtual_size(), kCluster);
  EXPECT_EQ(by_name->virtual_size(), TestImage::kDiskSize);
}

TEST_F(Qcow2ReaderTest, SnapshotHasAllThatIsAskedFor) {
  AddSnapshots(image_, image_.AppendCluster(0));
  const auto disk_of = [&](const SnapshotSelector& wanted) -> std::optional<uint64_t> {
    const auto reader = Open(image_);
    if (!reader->SelectSnapshot(io_, wanted).ok()) return std::nullopt;
    return reader->virtual_size();
  };

  EXPECT_EQ(disk_of({.name = "old"}), TestImage::kDiskSize);
  EXPECT_EQ(disk_of({.id = "3", .name = "old"}), kCluster);
  EXPECT_EQ(disk_of({.id = "3", .name = "big"}), std::nullopt);
  EXPECT_EQ(disk_of({.name = "3"}), std::nullopt);
  EXPECT_EQ(disk_of({.id = "old"}), std::nullopt);
  EXPECT_EQ(disk_of({.name = ""}), std::nullopt);
  EXPECT_EQ(disk_of({.id = ""}), std::nullopt);
}

TEST_F(Qcow2ReaderTest, MissingSnapshotIsNamed) {
  EXPECT_THAT(Open(image_)->SelectSnapshot(io_, {.id = "7", .name = ""}).message(),
              HasSubstr("no internal snapshot with the id '7' and the name ''"));
  const Status status = Open(image_)->SelectSnapshot(io_, {.id_or_name = "monday"});

  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("no internal snapshot 'monday'"));
}

TEST_F(Qcow2ReaderTest, SnapshotWithTheActiveL1TableIsCorrupt) {
  AddSnapshots(image_, TestImage::kL1);
  const Status status = Open(image_)->SelectSnapshot(io_, {.id_or_name = "1"});

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), HasSubstr("the snapshot's L1 table at 0x30000 (8 bytes) overlaps"));
}

TEST_F(Qcow2ReaderTest, SnapshotL1IsValidated) {
  AddSnapshots(image_, 0x7fff'ffff'0000);
  const Status status = Open(image_)->SelectSnapshot(io_, {.id_or_name = "1"});

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), HasSubstr("the snapshot's L1 table at 0x7fffffff0000 (8 bytes) "
                                          "reaches past the end of the file"));
}

TEST_F(Qcow2ReaderTest, FailedReadOfATableIsAnIoError) {
  image_.SetL2(0, image_.AppendCluster(1));
  const auto reader = Open(image_);
  files_.set_fault_hook([](const NativeRequest& request) -> std::optional<IoResult> {
    if (request.offset != TestImage::kL2) return std::nullopt;
    return IoResult{.status = IoStatus::kIoError, .value = 5};
  });

  const Status status = reader->Map(io_, 0, kCluster).status();

  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_THAT(status.message(),
              HasSubstr("cannot read an L2 table at 0x40000: input/output error"));
}

// Every lane maps the whole disk of an image whose tables do not fit the cache.
class MapEverything : public Lanes::Body {
 public:
  MapEverything(ImageReader& reader, const std::vector<uint64_t>& expected)
      : reader_(reader), expected_(expected) {}

  void Run(uint32_t lane, IoChannel& io) override {
    for (size_t i = 0; i < expected_.size(); ++i) {
      // Lanes start at different places.
      const size_t at = (i + lane * 1000) % expected_.size();
      const auto extent = reader_.Map(io, at * kSmall, kSmall);
      if (!extent.ok() || extent->offset != expected_[at]) ++wrong_;
    }
  }
  int wrong() const { return wrong_; }

  static constexpr uint64_t kSmall = 512;

 private:
  ImageReader& reader_;
  const std::vector<uint64_t>& expected_;
  std::atomic<int> wrong_ = 0;
};

TEST_F(Qcow2ReaderTest, LanesShareTheCacheOfTables) {
  constexpr uint64_t kSmall = MapEverything::kSmall;
  constexpr uint64_t kTables = 500;
  constexpr uint64_t kClusters = kTables * 64;
  constexpr uint64_t kL1Offset = 4 * kSmall;
  constexpr uint64_t kTablesBegin = 64 << 10;
  constexpr uint64_t kDataBegin = kTablesBegin + kTables * kSmall;
  image_.header().cluster_bits = 9;
  image_.header().size = kClusters * kSmall;
  image_.header().l1_size = kTables;
  image_.header().l1_table_offset = kL1Offset;
  image_.header().refcount_table_offset = kSmall;
  std::vector<uint64_t> expected;
  for (uint64_t table = 0; table < kTables; ++table) {
    image_.SetWord(kL1Offset + table * 8, kTablesBegin + table * kSmall);
    for (uint64_t entry = 0; entry < 64; ++entry) {
      expected.push_back(kDataBegin + (expected.size() * 7919 % kClusters) * kSmall);
      image_.SetWord(kTablesBegin + table * kSmall + entry * 8, expected.back());
    }
  }
  image_.Resize(kDataBegin + kClusters * kSmall);
  const auto reader = Open(image_);
  NativeLanes lanes(files_, 4);
  MapEverything body(*reader, expected);

  lanes.RunOnAll(body);

  EXPECT_EQ(body.wrong(), 0);
}

}  // namespace
}  // namespace hotcell::guest::qcow2
