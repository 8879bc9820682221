#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "guest/formats/common/check.h"
#include "guest/formats/vmdk/sector_map.h"
#include "guest/formats/vmdk/test_image.h"
#include "guest/formats/vmdk/vmdk.h"

namespace hotcell::guest::vmdk {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// "corruption: text" and so on.
std::vector<std::string> Findings(const CheckResult& result) {
  std::vector<std::string> texts;
  for (const CheckFinding& finding : result.findings) {
    const char* kind = finding.kind == CheckFinding::Kind::kLeak         ? "leak: "
                       : finding.kind == CheckFinding::Kind::kCorruption ? "corruption: "
                                                                         : "error: ";
    texts.push_back(kind + finding.text);
  }
  return texts;
}

class VmdkCheckTest : public testing::Test {
 protected:
  std::vector<std::string> Check() { return CheckFile(image_.MakeFile()); }
  std::vector<std::string> CheckFile(std::unique_ptr<NativeFile> file) {
    NativeFiles files;
    const FileHandle handle = files.Add(std::move(file));
    files.set_reference_opener([this](uint32_t, ReferenceKind, std::string_view) {
      return NativeFiles::Opened{.status = IoStatus::kOk,
                                 .file = std::make_unique<MemoryFile>(extent_)};
    });
    NativeChannel io(files);
    const auto result = CheckVmdk(io, handle, {});
    if (!result.ok()) return {"failed: " + result.status().message()};
    EXPECT_EQ(result->findings.size(), result->leaks + result->corruptions + result->check_errors);
    return Findings(*result);
  }

  SparseFile image_;
  std::vector<std::byte> extent_;
};

TEST_F(VmdkCheckTest, SoundImageHasNoFindings) {
  image_.SetGrain(3, image_.AppendGrain(1));
  image_.SetGrain(0, image_.AppendGrain(2));

  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(VmdkCheckTest, UnusedGrainIsALeak) {
  image_.AppendGrain(1);
  image_.SetGrain(3, image_.AppendGrain(2));
  image_.AppendGrain(1);
  image_.AppendGrain(1);

  EXPECT_THAT(Check(), ElementsAre("leak: vmdk: nothing uses the 128 sectors at 0x10000",
                                   "leak: vmdk: nothing uses the 256 sectors at 0x30000"));
}

// Zeroes follow the image, more than anyone could look at.
class HugeFile : public MemoryFile {
 public:
  static constexpr uint64_t kSize = uint64_t{1} << 60;

  using MemoryFile::MemoryFile;
  uint64_t size() override { return kSize; }
  IoResult Read(uint64_t offset, std::span<std::byte> data) override {
    std::ranges::fill(data, std::byte{0});
    MemoryFile::Read(offset, data);
    return {.value = data.size()};
  }
};

TEST_F(VmdkCheckTest, EndsWhereNothingIsClaimedAnyMore) {
  image_.SetGrain(3, image_.AppendGrain(1));

  const std::vector<std::string> findings = CheckFile(std::make_unique<HugeFile>(image_.Bytes()));

  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[1], EndsWith("sectors at 0x1000000000"));
}

TEST_F(VmdkCheckTest, SkipsWhatNothingClaimsBetweenGrains) {
  image_.SetGrain(3, 0xf0000000);

  EXPECT_THAT(
      CheckFile(std::make_unique<HugeFile>(image_.Bytes())),
      ElementsAre(EndsWith("sectors at 0x10000"), EndsWith("sectors at 0x1000000000"),
                  EndsWith("sectors at 0x1e000010000"), EndsWith("sectors at 0x1f000000000")));
}

TEST_F(VmdkCheckTest, GrainClaimedTwiceIsCorrupt) {
  const uint32_t grain = image_.AppendGrain(1);
  image_.SetGrain(3, grain);
  image_.SetGrain(5, grain);

  EXPECT_THAT(Check(), ElementsAre(AllOf(HasSubstr("corruption: vmdk: the grain of extent offset "
                                                   "0x50000 at 0x10000"),
                                         HasSubstr("overlaps"))));
}

TEST_F(VmdkCheckTest, GrainsThatOverlapInPartAreCorrupt) {
  const uint32_t grain = image_.AppendGrain(1);
  image_.AppendGrain(2);
  image_.SetGrain(3, grain);
  image_.SetGrain(5, grain + 127);

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("extent offset 0x50000 at 0x1fe00")));
}

TEST_F(VmdkCheckTest, EveryGrainPastTheEndIsCounted) {
  image_.SetGrain(3, 100000);
  image_.SetGrain(4, 200000);

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("past the end"), HasSubstr("past the end")));
}

TEST_F(VmdkCheckTest, GrainOnMetadataIsCorrupt) {
  image_.SetGrain(0, image_.AppendGrain(1));
  image_.SetGrain(3, SparseFile::kGd);

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("overlaps the grain directory")));
}

TEST_F(VmdkCheckTest, GrainOnATableIsCorrupt) {
  image_.SetGrain(0, image_.AppendGrain(1));
  image_.SetGrain(3, SparseFile::kGt + 1);

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("offset 0x30000 at 0x3800 (65536 bytes) overlaps")));
}

TEST_F(VmdkCheckTest, TableClaimedTwiceIsCorrupt) {
  image_.header.capacity = 3 * 512 * SparseFile::kGrainSectors;
  image_.header.flags = 1;
  image_.file.Put(SparseFile::kGd * kSectorSize + 4, Le32(SparseFile::kGt));
  image_.descriptor = DescriptorText("monolithicSparse", "RW 196608 SPARSE \"image.vmdk\"\n");

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("grain directory entry 1) overlaps")));
}

TEST_F(VmdkCheckTest, TablePastTheEndIsCorrupt) {
  image_.header.flags = 1;
  image_.file.Put(SparseFile::kGd * kSectorSize, Le32(126));

  EXPECT_THAT(Check(), IsEmpty());

  image_.file.Put(SparseFile::kGd * kSectorSize, Le32(128));
  EXPECT_THAT(Check(), ElementsAre(HasSubstr("corruption: vmdk: the grain table at 0x10000")));
}

TEST_F(VmdkCheckTest, RedundantTableThatDiffersIsCorrupt) {
  image_.SetGrain(3, image_.AppendGrain(1));
  image_.file.Put(SparseFile::kRgt * kSectorSize + 3 * 4, Le32(0));

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("differ from entry 3 on")));
}

TEST_F(VmdkCheckTest, RedundantTableThatIsMissingIsCorrupt) {
  image_.file.Put(SparseFile::kRgd * kSectorSize, Le32(0));

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("only one names a table")));
}

TEST_F(VmdkCheckTest, DescriptorThatContradictsTheHeaderIsCorrupt) {
  image_.descriptor = DescriptorText("streamOptimized", "RW 4096 SPARSE \"image.vmdk\"\n");
  EXPECT_THAT(Check(), ElementsAre(HasSubstr("createType 'streamOptimized'"),
                                   HasSubstr("has 2097152 bytes, the header 1048576")));

  image_.descriptor = DescriptorText("monolithicSparse", "RW 2048 FLAT \"/etc/passwd\" 0\n");
  EXPECT_THAT(Check(), ElementsAre(HasSubstr("where one of type SPARSE should be")));
}

TEST_F(VmdkCheckTest, HeaderThatCannotBeReadFailsTheCheck) {
  image_.header.version = 9;

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("failed: vmdk: version 9")));
}

TEST_F(VmdkCheckTest, FindingsInAnotherFileNameIt) {
  CowdFile cowd;
  cowd.SetGrain(3, cowd.AppendGrain(1));
  cowd.SetGrain(4, cowd.AppendGrain(1) - 1);
  extent_ = cowd.Bytes();
  ByteFile descriptor;
  descriptor.PutText(0, DescriptorText("vmfsSparse", "RW 10000 VMFSSPARSE \"a.vmdk\"\n"));

  EXPECT_THAT(CheckFile(std::make_unique<MemoryFile>(descriptor.bytes())),
              ElementsAre(HasSubstr("corruption: vmdk: extent file 'a.vmdk': the grain of")));
}

TEST_F(VmdkCheckTest, SeSparseEntriesThatMeanNothingAreCorrupt) {
  SeSparseFile se_sparse;
  se_sparse.SetTable(0, kSeSparseGdeAllocated);
  se_sparse.SetTable(1, kSeSparseGdeAllocated);
  se_sparse.SetGrain(0, 0, se_sparse.AppendGrain(1));
  se_sparse.SetGrain(0, 1, 0x7000'0000'0000'0000);
  extent_ = se_sparse.Bytes();
  ByteFile descriptor;
  descriptor.PutText(0, DescriptorText("seSparse", "RW 65436 SESPARSE \"a.vmdk\"\n"));

  EXPECT_THAT(CheckFile(std::make_unique<MemoryFile>(descriptor.bytes())),
              ElementsAre(HasSubstr("an entry that is damaged (0x7000000000000000)"),
                          HasSubstr("grain directory entry 1) overlaps")));
}

// ---- Compressed grains --------------------------------------------------------------------------

class VmdkStreamCheckTest : public VmdkCheckTest {
 protected:
  VmdkStreamCheckTest() {
    image_.header.version = 3;
    image_.header.flags = kFlagNewlineDetection | kFlagCompressed | kFlagMarkers;
    image_.header.compressAlgorithm = kCompressionDeflate;
    image_.descriptor = DescriptorText("streamOptimized", "RW 2048 SPARSE \"image.vmdk\"\n");
  }

  // Appends a compressed grain of two sectors. Its data is not looked at.
  uint32_t AppendStream(uint64_t grain, uint32_t size = 600) {
    const uint64_t offset = image_.file.size();
    image_.file.Resize(offset + 2 * kSectorSize);
    image_.file.Put(offset, GrainMarker{.lba = grain * SparseFile::kGrainSectors, .size = size});
    return static_cast<uint32_t>(offset / kSectorSize);
  }
};

TEST_F(VmdkStreamCheckTest, SoundStreamHasNoFindings) {
  image_.SetGrain(3, AppendStream(3));
  image_.SetGrain(4, AppendStream(4));

  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(VmdkStreamCheckTest, MarkerOfAnotherGrainIsCorrupt) {
  image_.SetGrain(3, AppendStream(4));

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("is that of the grain at sector 512")));
}

TEST_F(VmdkStreamCheckTest, MarkerWithAnImpossibleSizeIsCorrupt) {
  image_.SetGrain(3, AppendStream(3, 0));
  image_.SetGrain(4, AppendStream(4, 100000));

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("says 0 bytes"), HasSubstr("says 100000 bytes")));
}

TEST_F(VmdkStreamCheckTest, StreamThatReachesIntoTheNextIsCorrupt) {
  image_.SetGrain(3, AppendStream(3, 1400));
  image_.SetGrain(4, AppendStream(4));

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("extent offset 0x40000 at 0x10400")));
}

TEST_F(VmdkStreamCheckTest, AGrainThatNoTableNamesIsCorrupt) {
  image_.SetGrain(3, AppendStream(3));
  AppendStream(5);
  image_.SetGrain(4, AppendStream(4));
  AppendStream(6);

  EXPECT_THAT(Check(),
              ElementsAre(HasSubstr("at 0x10400 is a grain of the stream, for sector 640"),
                          HasSubstr("at 0x10c00 is a grain of the stream, for sector 768")));
}

TEST_F(VmdkStreamCheckTest, AGrainBehindMetadataThatNothingNamesIsCorrupt) {
  MetadataMarker marker = {};
  marker.numSectors = 4;
  marker.type = kMarkerGrainTable;
  image_.file.Put(image_.file.size(), marker);
  image_.file.Resize(image_.file.size() + 4 * kSectorSize);
  EXPECT_THAT(Check(), IsEmpty());

  AppendStream(5);
  EXPECT_THAT(Check(), ElementsAre(HasSubstr("at 0x10a00 is a grain of the stream")));
}

TEST_F(VmdkStreamCheckTest, AGrainBeforeTheStreamIsCorrupt) {
  image_.SetGrain(3, AppendStream(3));
  image_.header.overHead = SparseFile::kFirstGrain + 1;

  EXPECT_THAT(Check(), ElementsAre(HasSubstr("lies before the stream, which begins at 0x10200")));
}

TEST_F(VmdkStreamCheckTest, MetadataOfAStreamHasItsMarker) {
  const auto put = [&](uint32_t type, uint64_t sectors) {
    MetadataMarker marker = {};
    marker.numSectors = sectors;
    marker.type = type;
    image_.file.Put(image_.file.size(), marker);
  };
  image_.SetGrain(3, AppendStream(3));
  const std::vector<std::byte> bytes = image_.file.bytes();
  const auto table = std::span(bytes).subspan(SparseFile::kGt * kSectorSize, 4 * kSectorSize);
  for (const uint32_t table_sectors : {4u, 5u}) {
    image_.file = ByteFile();
    image_.file.PutRange(0, bytes);
    image_.header.gdOffset = kGdAtEnd;
    put(kMarkerGrainTable, table_sectors);
    const uint64_t table_offset = image_.file.size();
    image_.file.PutRange(table_offset, table);
    put(kMarkerGrainDirectory, 1);
    StreamEnd end = {};
    end.footer = image_.header;
    end.footer.gdOffset = image_.file.size() / kSectorSize;
    image_.file.Fill(image_.file.size(), kSectorSize, 0);
    image_.file.Put(uint64_t{end.footer.gdOffset} * kSectorSize,
                    Le32(static_cast<uint32_t>(table_offset / kSectorSize)));
    end.footer_marker.numSectors = 1;
    end.footer_marker.type = kMarkerFooter;
    image_.file.Put(image_.file.size(), end);

    if (table_sectors == 4) {
      EXPECT_THAT(Check(), IsEmpty());
    } else {
      EXPECT_THAT(Check(),
                  ElementsAre(HasSubstr("before the grain table at 0x10600 is not its marker")));
    }
  }
}

// ---- Sectors ------------------------------------------------------------------------------------

TEST(SectorMapTest, FindsClaimsThatOverlap) {
  SectorMap map(1000, 1000);
  EXPECT_TRUE(map.Claim(1000, 1));
  EXPECT_TRUE(map.Claim(1001, 200));
  EXPECT_FALSE(map.Claim(1200, 2));
  EXPECT_TRUE(map.Claim(1202, 64));
  EXPECT_FALSE(map.Claim(1000, 1000));
}

TEST(SectorMapTest, LeavesOutWhatLiesOutside) {
  SectorMap map(1000, 1000);
  EXPECT_TRUE(map.Claim(0, 500));
  EXPECT_TRUE(map.Claim(0, 500));
  EXPECT_TRUE(map.Claim(5000, 5000));
  EXPECT_TRUE(map.Claim(900, 101));
  EXPECT_FALSE(map.Claim(1000, 1));
  EXPECT_TRUE(map.Claim(1999, 100));
  EXPECT_FALSE(map.Claim(1999, 1));
}

TEST(SectorMapTest, ListsWhatIsFree) {
  SectorMap map(100, 1000);
  map.Claim(0, 101);
  map.Claim(110, 300);
  map.Claim(1099, 7);
  std::vector<std::pair<uint64_t, uint64_t>> free;
  map.ForEachFree([&](uint64_t begin, uint64_t count) { free.emplace_back(begin, count); });
  EXPECT_THAT(free, ElementsAre(std::pair(101, 9), std::pair(410, 689)));
}

}  // namespace
}  // namespace hotcell::guest::vmdk
