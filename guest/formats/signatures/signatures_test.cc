#include "guest/formats/signatures/signatures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Kind = SignatureKind;
using Mark = std::pair<SignatureKind, uint64_t>;

class SignaturesTest : public testing::Test {
 protected:
  void Put(uint64_t offset, std::string_view bytes) {
    if (bytes_.size() < offset + bytes.size()) bytes_.resize(offset + bytes.size());
    std::memcpy(&bytes_[offset], bytes.data(), bytes.size());
  }

  std::vector<Mark> Find() {
    NativeFiles files;
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes_));
    NativeChannel io(files);
    const auto found = FindSignatures(io, file);
    EXPECT_TRUE(found.ok()) << found.status().message();
    std::vector<Mark> marks;
    for (const FileSignature& signature : *found) {
      marks.emplace_back(signature.kind, signature.offset);
    }
    return marks;
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(200 << 10);
};

TEST_F(SignaturesTest, FindsNothingInZeroesOrNothing) {
  EXPECT_THAT(Find(), IsEmpty());
  bytes_.clear();
  EXPECT_THAT(Find(), IsEmpty());
  bytes_.resize(100);
  EXPECT_THAT(Find(), IsEmpty());
}

TEST_F(SignaturesTest, NamesThemByOffset) {
  Put(512, "EFI PART");
  Put(0,
      "\x7f"
      "ELF");
  Put(65600, "_BHRfS_M");
  Put(32769, "CD001");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kElfProgram, 0), Mark(Kind::kGpt, 512),
                                  Mark(Kind::kIso9660, 32769), Mark(Kind::kBtrfs, 65600)));
}

TEST_F(SignaturesTest, FindsImagesAtAnySectorButTheFirst) {
  Put(0, "QFI\xfb");
  Put(512, "KDMV");
  Put(4096, "QFI\xfb");
  Put(5001, "vhdxfile");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kVmdkImage, 512), Mark(Kind::kQcowImage, 4096)));
}

TEST_F(SignaturesTest, LooksAtTheLastSector) {
  Put(bytes_.size() - 512, "conectix");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kVhdFooter, 204288)));
}

TEST_F(SignaturesTest, FindsTextsThatNameFiles) {
  Put(0, "\r\n--iprt-iso-maker-file-marker-bourne-sh ab1f3a2b");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kVisoScript, 0)));
  Put(0, "FILE name BINARY                                 ");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kCueSheet, 0)));
}

TEST_F(SignaturesTest, LooksForTrailersWhereverReadersDo) {
  const uint64_t size = bytes_.size();
  // A file that ends within a sector: its last 512 bytes, and its last sector.
  bytes_.resize(size + 511);
  Put(size, "conectix");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kVhdFooter, 204800)));
  bytes_.assign(size + 100, {});
  Put(size + 100 - 512, "conectix");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kVhdFooter, 204388)));
  for (const uint64_t before : {8, 511, 513, 1000, 2048}) {
    bytes_.assign(size, {});
    Put(size - before, "conectix");
    EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kVhdFooter, size - before)));
  }
  for (const uint64_t before : {4, 512, 513, 1023}) {
    bytes_.assign(size, {});
    Put(size - before, "koly");
    EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kDmgTrailer, size - before)));
  }
  bytes_.assign(size, {});
  Put(size - 1024, "koly");
  EXPECT_THAT(Find(), IsEmpty());
  Put(0, "koly");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kDmgTrailer, 0)));
}

TEST_F(SignaturesTest, WantsMoreThanTwoBytesOfAnExtSuperblock) {
  Put(1080, "\x53\xef");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kExt, 1080)));
  Put(1024 + 0x18, "\x07");
  EXPECT_THAT(Find(), IsEmpty());
}

// A disk of which 64 KiB from `begin` on are in the file from `offset` on, in one way or another.
class OneExtentReader : public ImageReader {
 public:
  explicit OneExtentReader(const Extent& extent) : extent_(extent) {}
  uint64_t virtual_size() const override { return extent_.length; }
  Result<Extent> Map(IoChannel& /*io*/, uint64_t /*offset*/, uint64_t /*length*/) override {
    return extent_;
  }
  ImageDescription Describe() const override { return {}; }

 private:
  Extent extent_;
};

std::vector<FileSignature> Kept(const Extent& extent, std::vector<FileSignature> signatures) {
  NativeFiles files;
  const FileHandle file = files.Add(std::make_unique<MemoryFile>());
  NativeChannel io(files);
  OneExtentReader reader(extent);
  EXPECT_TRUE(DropMarksOfDisk(io, file, reader, signatures).ok());
  return signatures;
}

TEST(DropMarksOfDiskTest, DropsWhatIsDataOfTheDiskAndNothingElse) {
  const FileSignature in_header = {.offset = 512, .kind = Kind::kVmdkImage, .unprobed = true};
  const FileSignature in_data = {.offset = 4096, .kind = Kind::kQcowImage, .unprobed = true};
  const FileSignature probed = {.offset = 32769, .kind = Kind::kIso9660};
  const std::vector<FileSignature> all = {in_header, in_data, probed};
  const auto kinds = [](const std::vector<FileSignature>& signatures) {
    std::vector<SignatureKind> found;
    for (const FileSignature& signature : signatures) found.push_back(signature.kind);
    return found;
  };
  const Extent data = {.kind = Extent::Kind::kData, .length = 64 << 10, .offset = 4096};

  EXPECT_THAT(kinds(Kept(data, all)), ElementsAre(Kind::kVmdkImage, Kind::kIso9660));

  Extent compressed = data;
  compressed.kind = Extent::Kind::kCompressed;
  compressed.compressed_size = 512;
  EXPECT_THAT(kinds(Kept(compressed, all)), ElementsAre(Kind::kVmdkImage, Kind::kIso9660));

  Extent elsewhere = data;
  elsewhere.slot = 1;
  EXPECT_EQ(Kept(elsewhere, all).size(), 3u);
  Extent reserved = data;
  reserved.kind = Extent::Kind::kZero;
  EXPECT_EQ(Kept(reserved, all).size(), 3u);
}

// The two bytes at 510 alone are no partition table.
TEST_F(SignaturesTest, WantsPartitionsInAnMbr) {
  Put(510, "\x55\xaa");
  EXPECT_THAT(Find(), IsEmpty());
  Put(450, "\x83");
  EXPECT_THAT(Find(), ElementsAre(Mark(Kind::kMbr, 510)));
  Put(446, "\x01");
  EXPECT_THAT(Find(), IsEmpty());
}

}  // namespace
}  // namespace hotcell::guest
