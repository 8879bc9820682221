// What the reader makes of images that qemu-img does not make, or makes nothing of. Damage that
// qemu-img can be compared with is in tests/hostile/images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <map>

#include "base/alignment.h"
#include "guest/formats/common/chain.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/vmdk/test_image.h"
#include "guest/formats/vmdk/vmdk.h"

namespace hotcell::guest::vmdk {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kGrainSize = SparseFile::kGrainSize;

std::vector<std::byte> Text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class VmdkReaderTest : public testing::Test {
 protected:
  VmdkReaderTest() {
    files_.set_reference_opener(
        [this](uint32_t, ReferenceKind kind, std::string_view name) -> NativeFiles::Opened {
          opened_.emplace_back(kind, name);
          const auto found = others_.find(name);
          if (found == others_.end()) return {.status = IoStatus::kNotFound, .file = nullptr};
          return {.status = IoStatus::kOk, .file = std::make_unique<MemoryFile>(found->second)};
        });
  }

  Result<std::unique_ptr<ImageReader>> Open(std::vector<std::byte> bytes,
                                            const OpenOptions& options = {}) {
    const FileHandle file = files_.Add(std::make_unique<MemoryFile>(std::move(bytes)));
    return OpenVmdk(io_, file, options);
  }
  std::string ErrorOf(std::vector<std::byte> bytes, const OpenOptions& options = {}) {
    const auto reader = Open(std::move(bytes), options);
    EXPECT_FALSE(reader.ok());
    return reader.status().message();
  }
  // Reads from the disk that `bytes` and the other files make.
  Result<std::vector<std::byte>> Read(std::vector<std::byte> bytes, uint64_t offset,
                                      uint64_t length) {
    const FileHandle file = files_.Add(std::make_unique<MemoryFile>(std::move(bytes)));
    auto chain = ImageChain::Open(io_, {.file = file, .format = "vmdk"}, {.max_depth = 16});
    if (!chain.ok()) return chain.status();
    return DiskReader(io_, **chain).Read(offset, length);
  }
  void ExpectByte(const std::vector<std::byte>& bytes, uint64_t offset, int value) {
    const auto read = Read(bytes, offset, 1);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(std::to_integer<int>((*read)[0]), value) << offset;
  }

  std::map<std::string, std::vector<std::byte>, std::less<>> others_;
  std::vector<std::pair<ReferenceKind, std::string>> opened_;
  NativeFiles files_;
  NativeChannel io_{files_};
};

// ---- One file -----------------------------------------------------------------------------------

TEST_F(VmdkReaderTest, NeighbouringGrainsAreOneExtent) {
  SparseFile image;
  for (uint64_t number = 0; number < 4; ++number) image.SetGrain(number, image.AppendGrain(1));
  image.SetGrain(5, image.AppendGrain(2));
  const auto reader = Open(image.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto data = (*reader)->Map(io_, 1000, 16 * kGrainSize - 1000);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->kind, Extent::Kind::kData);
  EXPECT_EQ(data->length, 4 * kGrainSize - 1000);
  EXPECT_EQ(data->offset, SparseFile::kFirstGrain * kSectorSize + 1000);

  const auto hole = (*reader)->Map(io_, 6 * kGrainSize, 10 * kGrainSize);
  ASSERT_TRUE(hole.ok());
  EXPECT_EQ(hole->kind, Extent::Kind::kUnallocated);
  EXPECT_EQ(hole->length, 10 * kGrainSize);
}

TEST_F(VmdkReaderTest, HoleOfManyTablesIsOneExtent) {
  SparseFile image;
  image.header.flags = 0;
  image.header.gdOffset = 1000;
  image.header.capacity = (uint64_t{4} << 40) / kSectorSize;
  image.file.Resize(1000 * kSectorSize + (4 << 20) / 32 * 4);
  const auto reader = Open(image.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto hole = (*reader)->Map(io_, 5, (uint64_t{4} << 40) - 5);
  ASSERT_TRUE(hole.ok());
  EXPECT_EQ(hole->length, (uint64_t{4} << 40) - 5);
  EXPECT_LT(io_.request_count(), 40u);
}

TEST_F(VmdkReaderTest, DiskOfNoSectorsIsEmpty) {
  SparseFile image;
  image.header.capacity = 0;
  image.descriptor = DescriptorText("monolithicSparse", "");
  const auto reader = Open(image.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ((*reader)->virtual_size(), 0u);
}

TEST_F(VmdkReaderTest, ADescriptorWithSectorsRefutesAHeaderWithout) {
  SparseFile image;
  image.header.capacity = 0;
  EXPECT_THAT(ErrorOf(image.Bytes()), HasSubstr("an extent of 2048"));
  EXPECT_THAT(ErrorOf(image.Bytes(), {.describe_only = true}), HasSubstr("an extent of 2048"));
}

TEST_F(VmdkReaderTest, AFooterWithSectorsRefutesAHeaderWithout) {
  SparseFile image;
  image.descriptor = DescriptorText("streamOptimized", "");
  StreamEnd end = {};
  end.footer_marker.type = kMarkerFooter;
  end.footer = image.header;
  image.file.Put(image.file.size(), end);
  image.header.capacity = 0;
  image.header.gdOffset = kGdAtEnd;
  EXPECT_THAT(ErrorOf(image.Bytes()), HasSubstr("describe different images"));
}

TEST_F(VmdkReaderTest, LastGrainNeedOnlyReachTheDisksEnd) {
  SparseFile image;
  image.header.capacity = SparseFile::kCapacity - 100;
  image.SetGrain(15, image.AppendGrain(7));
  std::vector<std::byte> bytes = image.Bytes();
  bytes.resize(bytes.size() - 100 * kSectorSize);
  ExpectByte(bytes, (SparseFile::kCapacity - 101) * kSectorSize, 7);

  bytes.resize(bytes.size() - 1);
  EXPECT_THAT(Read(bytes, 15 * kGrainSize, 1).status().message(), HasSubstr("past the end"));
}

TEST_F(VmdkReaderTest, DescribesWhatTheHeaderSays) {
  SparseFile image;
  image.header.version = 2;
  image.header.flags = kFlagNewlineDetection | kFlagZeroedGrains;
  image.header.uncleanShutdown = 1;
  const auto reader = Open(image.Bytes(), {.describe_only = true});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  const ImageDescription description = (*reader)->Describe();

  EXPECT_EQ(description.variant, "monolithicSparse");
  EXPECT_THAT(description.features, ElementsAre("version 2", "zeroed grains", "unclean shutdown"));
  EXPECT_THAT(description.warnings, ElementsAre(HasSubstr("not closed cleanly")));
  EXPECT_EQ((*reader)->identity(), "12345678");
}

TEST_F(VmdkReaderTest, WarnsOfWhatTheEmbeddedDescriptorHides) {
  SparseFile image;
  image.descriptor = DescriptorText("monolithicFlat", "RW 1 FLAT \"/etc/passwd\" 0\n") +
                     std::string("\0parentFileNameHint=\"x\"\n", 24);
  const auto reader = Open(image.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings,
              ElementsAre(AllOf(HasSubstr("FLAT"), HasSubstr("/etc/passwd")), HasSubstr("NUL")));
  EXPECT_FALSE((*reader)->backing().has_value());
  EXPECT_THAT(opened_, IsEmpty());
}

// qemu writes a content id of fewer digits into the old text.
TEST_F(VmdkReaderTest, LeftoverOfALongerContentIdIsNotHiddenText) {
  SparseFile image;
  const std::string text = DescriptorText("monolithicSparse", "");
  image.descriptor = text + '\0' + text.substr(text.size() - 6);
  const auto reader = Open(image.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings, IsEmpty());

  image.descriptor = text + '\0' + text.substr(text.size() - 7);
  const auto longer = Open(image.Bytes());
  ASSERT_TRUE(longer.ok()) << longer.status().message();
  EXPECT_THAT((*longer)->Describe().warnings, ElementsAre(HasSubstr("NUL")));
}

TEST_F(VmdkReaderTest, ExtentOfADiskIsNoDisk) {
  SparseFile image;
  image.descriptor.clear();
  EXPECT_THAT(ErrorOf(image.Bytes()), HasSubstr("open the disk's descriptor file instead"));
  EXPECT_THAT(ErrorOf(CowdFile().Bytes()), HasSubstr("open the disk's descriptor file instead"));
}

TEST_F(VmdkReaderTest, VirtualSizeIsLimited) {
  SparseFile image;
  const OpenOptions options = {.max_virtual_size = SparseFile::kCapacity * kSectorSize - 1};
  EXPECT_THAT(ErrorOf(image.Bytes(), options), HasSubstr("more than the limit"));
  EXPECT_THAT(ErrorOf(Text(DescriptorText("vmfs", "RW 2048 VMFS \"x\"\n")), options),
              HasSubstr("more than the limit"));
  EXPECT_THAT(opened_, IsEmpty());
}

// ---- Streams ------------------------------------------------------------------------------------

std::vector<std::byte> Stream(uint64_t grain, const std::vector<std::byte>& data) {
  std::vector<std::byte> out(data.size() + 1000);
  libdeflate_compressor* const state = libdeflate_alloc_compressor(6);
  const size_t size =
      libdeflate_zlib_compress(state, data.data(), data.size(), out.data() + sizeof(GrainMarker),
                               out.size() - sizeof(GrainMarker));
  libdeflate_free_compressor(state);
  out.resize(AlignUp(sizeof(GrainMarker) + size, kSectorSize));
  const GrainMarker marker = {.lba = grain * SparseFile::kGrainSectors,
                              .size = static_cast<uint32_t>(size)};
  std::memcpy(out.data(), &marker, sizeof(marker));
  return out;
}

class VmdkStreamTest : public VmdkReaderTest {
 protected:
  VmdkStreamTest() {
    image_.header.version = 3;
    image_.header.flags = kFlagNewlineDetection | kFlagCompressed | kFlagMarkers;
    image_.header.compressAlgorithm = kCompressionDeflate;
  }

  void Append(uint64_t grain, const std::vector<std::byte>& data) {
    image_.SetGrain(grain, static_cast<uint32_t>(image_.file.size() / kSectorSize));
    image_.file.PutRange(image_.file.size(), Stream(grain, data));
  }

  SparseFile image_;
};

TEST_F(VmdkStreamTest, ReadsGrainsInAnyOrder) {
  Append(9, std::vector<std::byte>(kGrainSize, std::byte{9}));
  Append(2, std::vector<std::byte>(kGrainSize, std::byte{2}));
  ExpectByte(image_.Bytes(), 9 * kGrainSize + 5, 9);
  ExpectByte(image_.Bytes(), 3 * kGrainSize - 1, 2);
  ExpectByte(image_.Bytes(), 3 * kGrainSize, 0);
}

TEST_F(VmdkStreamTest, StreamsAreBoundedByThoseThatFollow) {
  for (uint64_t grain = 0; grain < 3; ++grain) {
    Append(grain, std::vector<std::byte>(kGrainSize, std::byte{1}));
  }
  const auto reader = Open(image_.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  const auto first = (*reader)->Map(io_, 0, 16 * kGrainSize);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->kind, Extent::Kind::kCompressed);
  EXPECT_EQ(first->length, kGrainSize);
  EXPECT_EQ(first->compressed_size, kSectorSize);
  EXPECT_EQ(first->marker_lba, 0u);
}

// QEMU writes no more than the disk has.
TEST_F(VmdkStreamTest, LastGrainMayBeCompressedInPart) {
  image_.header.capacity = SparseFile::kCapacity - 100;
  Append(15, std::vector<std::byte>(kGrainSize - 100 * kSectorSize, std::byte{7}));
  ExpectByte(image_.Bytes(), (SparseFile::kCapacity - 101) * kSectorSize, 7);

  image_.header.capacity = SparseFile::kCapacity - 99;
  EXPECT_THAT(
      Read(image_.Bytes(), 15 * kGrainSize, kGrainSize - 99 * kSectorSize).status().message(),
      HasSubstr("less than the disk has there"));
}

TEST_F(VmdkStreamTest, FooterTakesTheHeadersPlace) {
  Append(3, std::vector<std::byte>(kGrainSize, std::byte{3}));
  StreamEnd end{};
  end.footer_marker.numSectors = 1;
  end.footer_marker.type = kMarkerFooter;
  end.footer = image_.header;
  image_.header.gdOffset = kGdAtEnd;
  image_.file.Put(image_.file.size(), end);

  ExpectByte(image_.Bytes(), 3 * kGrainSize, 3);
  EXPECT_THAT((*Open(image_.Bytes()))->Describe().features, testing::Contains("footer"));
}

// ---- Several files ------------------------------------------------------------------------------

TEST_F(VmdkReaderTest, ExtentsFollowEachOther) {
  SparseFile sparse;
  sparse.SetGrain(0, sparse.AppendGrain(5));
  others_["a.vmdk"] = sparse.Bytes();
  others_["b.raw"] = std::vector<std::byte>(20 * kSectorSize, std::byte{6});
  const std::vector<std::byte> disk = Text(DescriptorText(
      "custom", "RW 2048 SPARSE \"a.vmdk\"\nRW 100 ZERO\nRW 10 FLAT \"b.raw\" 10\n"));
  ExpectByte(disk, 0, 5);
  ExpectByte(disk, kGrainSize, 0);
  ExpectByte(disk, 2147 * kSectorSize, 0);
  ExpectByte(disk, 2148 * kSectorSize, 6);
  ExpectByte(disk, 2158 * kSectorSize - 1, 6);
  EXPECT_EQ((*Open(disk))->virtual_size(), 2158 * kSectorSize);
}

TEST_F(VmdkReaderTest, FileOfSeveralExtentsIsOpenedOnce) {
  others_["b.raw"] = std::vector<std::byte>(20 * kSectorSize, std::byte{6});
  const auto reader =
      Open(Text(DescriptorText("custom", "RW 5 FLAT \"b.raw\" 10\nRW 5 FLAT \"b.raw\" 0\n")));
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT(opened_, ElementsAre(std::pair(ReferenceKind::kExtentFile, "b.raw")));
  EXPECT_THAT((*reader)->Describe().references,
              ElementsAre(AllOf(Field(&Reference::kind, ReferenceKind::kExtentFile),
                                Field(&Reference::name, "b.raw"))));
}

TEST_F(VmdkReaderTest, DescribingOpensNothing) {
  const auto reader = Open(
      Text(DescriptorText("twoGbMaxExtentFlat", "RW 5 FLAT \"/etc/passwd\" 0\nRW 3 FLAT \"b\" 0\n",
                          "parentFileNameHint=\"c\"\n")),
      {.describe_only = true});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT(opened_, IsEmpty());
  const ImageDescription description = (*reader)->Describe();
  EXPECT_EQ(description.virtual_size, 8 * kSectorSize);
  EXPECT_THAT(description.references,
              ElementsAre(Field(&Reference::name, "c"), Field(&Reference::name, "/etc/passwd"),
                          Field(&Reference::name, "b")));
}

TEST_F(VmdkReaderTest, DescriptorInASparseFileMayNameOthers) {
  SparseFile image;
  image.header.capacity = 0;
  image.descriptor = DescriptorText("monolithicFlat", "RW 10 FLAT \"b.raw\" 0\n");
  others_["b.raw"] = std::vector<std::byte>(10 * kSectorSize, std::byte{6});
  ExpectByte(image.Bytes(), 10 * kSectorSize - 1, 6);
}

TEST_F(VmdkReaderTest, ExtentsOfAnotherSizeAreCorrupt) {
  others_["a"] = SparseFile().Bytes();
  others_["f"] = std::vector<std::byte>(10 * kSectorSize);
  const auto error = [&](const std::string& line) {
    return ErrorOf(Text(DescriptorText("custom", line)));
  };
  EXPECT_THAT(error("RW 2049 SPARSE \"a\"\n"), HasSubstr("extent file 'a': the descriptor says"));
  EXPECT_THAT(error("RW 1920 SPARSE \"a\"\n"), HasSubstr("extent file 'a': the descriptor says"));
  EXPECT_THAT(error("RW 10 FLAT \"f\" 1\n"), HasSubstr("extent file 'f': the descriptor says"));
  // A capacity may be rounded up to a whole grain.
  EXPECT_TRUE(Open(Text(DescriptorText("custom", "RW 1921 SPARSE \"a\"\n"))).ok());
}

TEST_F(VmdkReaderTest, ErrorsInAnotherFileNameIt) {
  CowdFile cowd;
  cowd.SetGrain(3, 1'000'000);
  others_["a"] = cowd.Bytes();
  EXPECT_THAT(
      Read(Text(DescriptorText("vmfsSparse", "RW 10000 VMFSSPARSE \"a\"\n")), 3 * kSectorSize, 1)
          .status()
          .message(),
      HasSubstr("vmdk: extent file 'a': the grain of extent offset 0x600"));
}

TEST_F(VmdkReaderTest, ExtentsMayNotBeOpened) {
  files_.set_reference_opener({});
  const auto reader = Open(Text(DescriptorText("monolithicFlat", "RW 5 FLAT \"/etc/passwd\" 0\n")));
  EXPECT_EQ(reader.status().code(), Code::kReferenceRefused);
}

// ---- Parents ------------------------------------------------------------------------------------

std::vector<std::byte> Child(std::string_view parent_cid) {
  SparseFile image;
  image.descriptor = std::string("CID=1\nparentCID=")
                         .append(parent_cid)
                         .append(
                             "\ncreateType=\"monolithicSparse\"\n"
                             "parentFileNameHint=\"base.vmdk\"\n"
                             "RW 2048 SPARSE \"x\"\n");
  return image.Bytes();
}

TEST_F(VmdkReaderTest, ParentShowsWhereNothingWasWritten) {
  SparseFile base;
  base.SetGrain(0, base.AppendGrain(5));
  others_["base.vmdk"] = base.Bytes();
  ExpectByte(Child("12345678"), 0, 5);
  EXPECT_THAT(opened_, ElementsAre(std::pair(ReferenceKind::kParent, "base.vmdk")));
}

TEST_F(VmdkReaderTest, ParentWithAnotherContentIdIsRefused) {
  others_["base.vmdk"] = SparseFile().Bytes();
  EXPECT_THAT(Read(Child("12345679"), 0, 1).status().message(),
              HasSubstr("its identity is '12345678', not '12345679'"));
}

TEST_F(VmdkReaderTest, ParentWithoutANameIsAWarning) {
  SparseFile image;
  image.descriptor = "CID=1\nparentCID=5\ncreateType=\"monolithicSparse\"\n";
  const auto reader = Open(image.Bytes());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings, ElementsAre(HasSubstr("CID 00000005")));
}

// ---- Probing ------------------------------------------------------------------------------------

TEST_F(VmdkReaderTest, ParentThatIsNamedByItsUuidOnlyIsRefused) {
  const auto image = [](std::string_view line) {
    return Text(std::string("# Disk DescriptorFile\nversion=1\nCID=5ab2aba5\nparentCID=ffffffff\n"
                            "createType=\"vmfs\"\nRW 16 ZERO\n")
                    .append(line));
  };
  const auto child = image("ddb.uuid.parent=\"a23f3c5b-6d7e-4f80-91a2-b3c4d5e6f708\"\n");

  EXPECT_THAT(ErrorOf(child), HasSubstr("differencing one of VirtualBox's (ddb.uuid.parent is "
                                        "a23f3c5b-6d7e-4f80-91a2-b3c4d5e6f708)"));
  const auto described = Open(child, {.describe_only = true});
  ASSERT_TRUE(described.ok()) << described.status().message();
  EXPECT_THAT((*described)->Describe().warnings, ElementsAre(HasSubstr("cannot be read without")));
  EXPECT_TRUE(Open(image("ddb.uuid.parent=\"00000000-0000-0000-0000-000000000000\"\n")).ok());
}

TEST_F(VmdkReaderTest, ProbesAsQemu) {
  const auto probe = [](std::string_view text) {
    return FindFormat("vmdk")->probe(std::as_bytes(std::span(text)), text.size());
  };
  EXPECT_EQ(probe("KDMV"), 100);
  EXPECT_EQ(probe("COWD"), 100);
  EXPECT_EQ(probe("# Disk DescriptorFile\nversion=1\n"), 100);
  EXPECT_EQ(probe("#\r\n  \r\nversion=3\r\nCID=1"), 100);
  EXPECT_EQ(probe("version=2\n"), 100);
  EXPECT_EQ(probe("version=4\n"), 0);
  EXPECT_EQ(probe("version=1"), 0);
  EXPECT_EQ(probe("# Disk DescriptorFile\nCID=1\nversion=1\n"), 0);
  EXPECT_EQ(probe("KDM"), 0);
  EXPECT_EQ(probe(""), 0);
}

}  // namespace
}  // namespace hotcell::guest::vmdk
