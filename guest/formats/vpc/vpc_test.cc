#include "guest/formats/vpc/vpc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/test_image.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::vpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = Extent::Kind;

constexpr uint64_t kBlockSize = TestImage::kBlockSize;

class VpcTest : public testing::Test {
 protected:
  Result<std::unique_ptr<ImageReader>> Open(TestImage& image) {
    return OpenVpc(io_, files_.Add(image.MakeFile()), {});
  }
  Result<CheckResult> Check(TestImage& image) {
    return CheckVpc(io_, files_.Add(image.MakeFile()), {});
  }
  uint64_t SizeOf(TestImage& image) {
    const auto reader = Open(image);
    EXPECT_TRUE(reader.ok()) << reader.status().message();
    return reader.ok() ? (*reader)->virtual_size() : 0;
  }

  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(VpcTest, MapsBlocksAndWhatIsBetween) {
  TestImage image;
  const uint64_t at = image.AddBlock(2, 7);
  const auto reader = Open(image);
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto hole = (*reader)->Map(io_, 100, TestImage::kDiskSize - 100);
  const auto block = (*reader)->Map(io_, 2 * kBlockSize + 5, 2 * kBlockSize - 5);
  const auto end = (*reader)->Map(io_, 3 * kBlockSize, kBlockSize);

  EXPECT_EQ(hole->kind, Kind::kUnallocated);
  EXPECT_EQ(hole->length, 2 * kBlockSize - 100);
  EXPECT_EQ(block->kind, Kind::kData);
  EXPECT_EQ(block->length, kBlockSize - 5);
  EXPECT_EQ(block->offset, at + TestImage::kBitmapSize + 5);
  EXPECT_EQ(end->kind, Kind::kUnallocated);
}

TEST_F(VpcTest, DescribesItself) {
  TestImage image;
  image.SetParent(kPlatformW2ru, ".\\below\\parent.vhd");
  const auto reader = Open(image);
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const ImageDescription description = (*reader)->Describe();

  EXPECT_EQ(description.format, "vpc");
  EXPECT_EQ(description.cluster_size, kBlockSize);
  EXPECT_EQ(description.variant, "differencing");
  EXPECT_EQ(description.backing->name, "./below/parent.vhd");
  EXPECT_EQ(description.backing->identity, "11111111-1111-1111-1111-111111111111");
  EXPECT_EQ((*reader)->identity(), "11111111-1111-1111-1111-111111111111");
}

TEST_F(VpcTest, ParentHasEveryNameThatTheImageGives) {
  TestImage image;
  image.SetParent(kPlatformMacX, "file://localhost/images/p.vhd");
  image.header().parent_unicode_name[1] = 'u';
  image.header().parent_unicode_name[2] = 0x20;  // U+20AC
  image.header().parent_unicode_name[3] = 0xac;
  image.header().parent_locators[3] = {.platform_code = kPlatformW2ku,
                                       .platform_data_space = 1,
                                       .platform_data_length = 4,
                                       .reserved = 0,
                                       .platform_data_offset = 3000};
  image.SetRange(3000, std::as_bytes(std::span("C\0:\0", 4)));
  const auto reader = Open(image);
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_EQ((*reader)->backing()->name, "/images/p.vhd");
  EXPECT_THAT((*reader)->backing()->alternatives, ElementsAre("u\u20ac", "C:"));
}

class VpcChainTest : public VpcTest {
 protected:
  Result<std::unique_ptr<ImageChain>> OpenChain(TestImage& child, TestImage& parent) {
    files_.set_reference_opener(
        [bytes = parent.Bytes()](uint32_t, ReferenceKind kind, std::string_view name) {
          EXPECT_EQ(kind, ReferenceKind::kParent);
          EXPECT_EQ(name, "parent.vhd");
          return NativeFiles::Opened{.status = IoStatus::kOk,
                                     .file = std::make_unique<MemoryFile>(bytes)};
        });
    child.SetParent(kPlatformW2ru, "parent.vhd");
    return ImageChain::Open(io_, {.file = files_.Add(child.MakeFile()), .format = "vpc"}, {});
  }
};

TEST_F(VpcChainTest, SectorsNotInTheBitmapAreTheParents) {
  TestImage parent;
  parent.AddBlock(0, 1);
  parent.AddBlock(1, 2);
  TestImage child;
  const uint64_t at = child.AddBlock(0, 9);
  child.SetRange(at, std::vector<std::byte>(TestImage::kBitmapSize));
  child.SetBytes(at, uint8_t{0b0110'0000});  // sectors 1 and 2
  const auto chain = OpenChain(child, parent);
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  const auto disk = DiskReader(io_, **chain).Read(0, 3 * kBlockSize);

  ASSERT_TRUE(disk.ok()) << disk.status().message();
  const auto at_sector = [&](uint64_t sector) { return (*disk)[sector * 512]; };
  EXPECT_EQ(at_sector(0), std::byte{1});
  EXPECT_EQ(at_sector(1), std::byte{9});
  EXPECT_EQ(at_sector(2), std::byte{9});
  EXPECT_EQ(at_sector(3), std::byte{1});
  EXPECT_EQ((*disk)[kBlockSize], std::byte{2});
  EXPECT_EQ((*disk)[2 * kBlockSize], std::byte{0});
}

TEST_F(VpcChainTest, AnotherDiskThanTheParentIsRefused) {
  TestImage parent;
  parent.footer().unique_id[0] = 0x22;
  TestImage child;
  const auto chain = OpenChain(child, parent);

  EXPECT_EQ(chain.status().code(), Code::kCorruptImage);
  EXPECT_THAT(chain.status().message(), HasSubstr("22111111-1111-1111-1111-111111111111"));
}

// The creator decides how the size is meant, as in QEMU 10.
TEST_F(VpcTest, SizeIsWhatTheCreatorMeant) {
  for (const auto& [creator, by_geometry] :
       std::map<std::string, bool>{{"vpc ", true},
                                   {"qemu", true},
                                   {"qem2", false},
                                   {"win ", false},
                                   {"d2v ", false},
                                   {std::string("tap\0", 4), false},
                                   {"vbox", false},
                                   {"vs  ", false},
                                   {"CTXS", false},
                                   {std::string("wa\0\0", 4), false}}) {
    TestImage image;
    std::copy(creator.begin(), creator.end(), image.footer().creator_application);
    image.footer().cylinders = 3;
    image.footer().heads = 4;
    image.footer().sectors_per_cylinder = 5;
    EXPECT_EQ(SizeOf(image), by_geometry ? 3 * 4 * 5 * 512 : TestImage::kDiskSize) << creator;
  }
}

TEST_F(VpcTest, LargestGeometryMeansTheCurrentSize) {
  TestImage image;
  std::copy_n("qemu", 4, image.footer().creator_application);
  image.footer().cylinders = 65535;
  image.footer().heads = 16;
  image.footer().sectors_per_cylinder = 255;

  EXPECT_EQ(SizeOf(image), TestImage::kDiskSize);
}

TEST_F(VpcTest, DamagedFooterIsMadeUpForByItsCopy) {
  TestImage image;
  image.AddBlock(0, 3);
  std::vector<std::byte> bytes = image.Bytes();
  bytes[100] ^= std::byte{1};
  const auto reader = OpenVpc(io_, files_.Add(std::make_unique<MemoryFile>(bytes)), {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT((*reader)->Describe().warnings,
              ElementsAre(HasSubstr("copy of the footer at the start of the file is damaged")));

  bytes[bytes.size() - 100] ^= std::byte{1};
  EXPECT_THAT(OpenVpc(io_, files_.Add(std::make_unique<MemoryFile>(bytes)), {}).status().message(),
              HasSubstr("incorrect header checksum"));
}

TEST_F(VpcTest, MissingLastFooterIsWarnedOf) {
  TestImage image;
  image.AddBlock(0, 3);
  image.last_footer = false;
  const auto reader = Open(image);
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_THAT((*reader)->Describe().warnings, ElementsAre(HasSubstr("no footer at the end")));
  EXPECT_TRUE((*reader)->Map(io_, 0, 10).ok());
}

TEST_F(VpcTest, FixedDiskIsTheFile) {
  TestImage image;
  image.footer().disk_type = kTypeFixed;
  image.footer().current_size = 2048;
  image.first_footer = false;
  image.SetBytes(5, uint8_t{77});
  const auto file = files_.Add(image.MakeFile());
  const auto reader = OpenVpc(io_, file, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  const auto extent = (*reader)->Map(io_, 5, 2043);

  EXPECT_EQ((*reader)->virtual_size(), 2048u);
  EXPECT_EQ(extent->kind, Kind::kData);
  EXPECT_EQ(extent->offset, 5u);
  EXPECT_EQ(extent->length, 2043u);
}

// Virtual PC wrote such a footer before 2004.
TEST_F(VpcTest, FooterOf511BytesIsRead) {
  TestImage image;
  image.footer().disk_type = kTypeFixed;
  image.footer().current_size = TestImage::kBlocks;
  image.first_footer = false;
  std::vector<std::byte> bytes = image.Bytes();
  bytes.pop_back();
  const auto file = files_.Add(std::make_unique<MemoryFile>(bytes));
  const auto reader = OpenVpc(io_, file, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();

  EXPECT_EQ((*reader)->virtual_size(), TestImage::kBlocks);
  // Such a file is not found out to be a VHD, as in QEMU: its format has to be named.
  EXPECT_EQ((*ProbeFormat(io_, file))->name, "raw");
}

struct Damage {
  std::string name;
  std::function<void(TestImage&)> change;
  std::string error;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class VpcDamageTest : public VpcTest, public testing::WithParamInterface<Damage> {};

TEST_P(VpcDamageTest, IsRefusedInWords) {
  TestImage image;
  image.AddBlock(0, 3);
  image.AddBlock(1, 4);
  GetParam().change(image);
  const auto reader = Open(image);
  Status status = reader.status();
  for (uint64_t at = 0; status.ok() && at < (*reader)->virtual_size();) {
    const auto extent = (*reader)->Map(io_, at, (*reader)->virtual_size() - at);
    status = extent.status();
    if (extent.ok()) at += extent->length;
  }

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().error));
}

void MakeFixed(TestImage& image) {
  image.footer().disk_type = kTypeFixed;
  image.first_footer = false;
}

INSTANTIATE_TEST_SUITE_P(
    Vpc, VpcDamageTest,
    testing::Values(
        Damage{"type", [](TestImage& i) { i.footer().disk_type = 255; }, "disk type 255"},
        Damage{"checksum", [](TestImage& i) { i.footer_checksum = false; }, "checksum"},
        Damage{"no_footer", [](TestImage& i) { i.first_footer = i.last_footer = false; },
               "neither at the start nor at the end"},
        Damage{"header_offset", [](TestImage& i) { i.footer().data_offset = UINT64_MAX - 5; },
               "dynamic disk header at 0xfffffffffffffffa reaches past the end"},
        Damage{"header_cookie", [](TestImage& i) { i.header().cookie[0] = 'C'; }, "cxsparse"},
        Damage{"header_checksum", [](TestImage& i) { i.header_checksum = false; }, "checksum"},
        Damage{"block_size_0", [](TestImage& i) { i.header().block_size = 0; }, "block size 0"},
        Damage{"block_size_128", [](TestImage& i) { i.header().block_size = 128; },
               "block size 128"},
        Damage{"block_size_odd", [](TestImage& i) { i.header().block_size = 65537; },
               "block size 65537"},
        Damage{"table_small", [](TestImage& i) { i.header().max_table_entries = 3; }, "too small"},
        Damage{"table_past_the_end", [](TestImage& i) { i.header().table_offset = 1 << 30; },
               "block allocation table at 0x40000000 (16 bytes) reaches past the end"},
        Damage{"table_overflows", [](TestImage& i) { i.header().table_offset = UINT64_MAX - 3; },
               "reaches past the end"},
        Damage{"table_in_header", [](TestImage& i) { i.header().table_offset = 1024; },
               "overlaps the dynamic disk header"},
        Damage{"block_past_the_end", [](TestImage& i) { i.SetEntry(2, 0xfffffffe); },
               "block 2 (disk offset 0x20000) at 0x1fffffffc00 (66048 bytes with its bitmap) "
               "reaches past the end"},
        Damage{"block_in_table", [](TestImage& i) { i.SetEntry(2, 3); },
               "overlaps the block allocation table"},
        Damage{"block_at_0", [](TestImage& i) { i.SetEntry(2, 0); }, "overlaps the copy"},
        Damage{"block_twice", [](TestImage& i) { i.SetEntry(2, 8); }, "claim the same data"},
        Damage{"block_in_last_footer", [](TestImage& i) { i.SetEntry(1, 8 + 129 + 1); },
               "reaches past the end"},
        Damage{"huge", [](TestImage& i) { i.footer().current_size = 1ull << 50; }, "2040 GiB"},
        Damage{"fixed_short", MakeFixed, "only"},
        Damage{"fixed_without_footer",
               [](TestImage& i) {
                 i.footer().disk_type = kTypeFixed;
                 i.last_footer = false;
               },
               "its footer is not at the end"},
        Damage{"parent_without_name",
               [](TestImage& i) { i.footer().disk_type = kTypeDifferencing; },
               "does not name its parent"},
        Damage{"parent_name_huge",
               [](TestImage& i) {
                 i.SetParent(kPlatformW2ku, "p");
                 i.header().parent_locators[0].platform_data_length = UINT32_MAX;
               },
               "parent locator W2ku has 4294967295 bytes"},
        Damage{"parent_name_past_the_end",
               [](TestImage& i) {
                 i.SetParent(kPlatformW2ku, "p");
                 i.header().parent_locators[0].platform_data_offset = UINT64_MAX;
               },
               "reaches past the end"}),
    [](const auto& test) { return test.param.name; });

TEST_F(VpcTest, TwoKindsOfDiskInOneFileAreRefused) {
  TestImage fixed;
  MakeFixed(fixed);
  fixed.footer().current_size = 512;
  TestImage dynamic;
  dynamic.last_footer = false;
  std::vector<std::byte> bytes = dynamic.Bytes();
  const std::vector<std::byte> other = fixed.Bytes();
  bytes.insert(bytes.end(), other.end() - 512, other.end());
  const auto reader = OpenVpc(io_, files_.Add(std::make_unique<MemoryFile>(bytes)), {});

  EXPECT_THAT(reader.status().message(), HasSubstr("which disk this is, is not sure"));
}

TEST_F(VpcTest, FileOfLessThanAFooterIsRefused) {
  const auto file = files_.Add(std::make_unique<MemoryFile>(std::vector<std::byte>(511)));

  EXPECT_THAT(OpenVpc(io_, file, {}).status().message(), HasSubstr("511 bytes"));
}

TEST_F(VpcTest, SoundImageChecksClean) {
  TestImage image;
  image.AddBlock(1, 1);
  image.AddBlock(0, 1);
  const auto result = Check(image);
  ASSERT_TRUE(result.ok()) << result.status().message();

  EXPECT_THAT(result->findings, IsEmpty());
  EXPECT_EQ(result->total_clusters, 4u);
  EXPECT_EQ(result->allocated_clusters, 2u);
}

TEST_F(VpcTest, CheckFindsBlocksThatOverlap) {
  TestImage image;
  const uint64_t at = image.AddBlock(1, 1);
  image.AddBlock(0, 1);
  image.SetEntry(3, static_cast<uint32_t>(at / 512 + 1));
  image.SetEntry(2, 2);
  const auto result = Check(image);
  ASSERT_TRUE(result.ok()) << result.status().message();

  // Block 3 overlaps both others; block 2 the header.
  EXPECT_EQ(result->corruptions, 3u);
  EXPECT_EQ(result->leaks, 0u);
}

TEST_F(VpcTest, CheckFindsSpaceThatIsLost) {
  TestImage image;
  image.AddBlock(1, 1);
  image.AddBlock(0, 1);
  image.AddBlock(2, 1);
  image.SetEntry(0, kUnallocated);
  image.SetEntry(2, kUnallocated);
  const auto result = Check(image);
  ASSERT_TRUE(result.ok()) << result.status().message();

  EXPECT_EQ(result->corruptions, 0u);
  EXPECT_EQ(result->leaks, 2u);
}

TEST_F(VpcTest, CheckTellsOfAFooterThatIsDamaged) {
  TestImage image;
  std::vector<std::byte> bytes = image.Bytes();
  bytes[bytes.size() - 100] ^= std::byte{1};
  const auto result = CheckVpc(io_, files_.Add(std::make_unique<MemoryFile>(bytes)), {});
  ASSERT_TRUE(result.ok()) << result.status().message();

  EXPECT_EQ(result->corruptions, 1u);
}

}  // namespace
}  // namespace hotcell::guest::vpc
