#include "guest/formats/common/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "guest/formats/qcow2/test_image.h"
#include "guest/formats/testing/disk.h"

namespace hotcell::guest {
namespace {

using qcow2::TestImage;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kCluster = TestImage::kClusterSize;

class ImageChainTest : public testing::Test {
 protected:
  ImageChainTest() {
    files_.set_reference_opener([this](uint32_t, ReferenceKind kind, std::string_view name) {
      EXPECT_EQ(kind, ReferenceKind::kBackingFile);
      const auto found = disk_.find(std::string(name));
      if (found == disk_.end()) return NativeFiles::Opened{};
      return NativeFiles::Opened{.status = IoStatus::kOk,
                                 .file = std::make_unique<MemoryFile>(found->second)};
    });
  }

  static TestImage Overlay(std::string_view backing, std::string_view format) {
    TestImage image;
    image.SetBackingFile(backing);
    if (!format.empty()) image.AddExtension(qcow2::kExtensionBackingFormat, format);
    return image;
  }

  Result<std::unique_ptr<ImageChain>> Open(const TestImage& image, uint32_t max_depth = 16) {
    return ImageChain::Open(io_, {.file = files_.Add(image.MakeFile()), .format = "qcow2"},
                            {.max_depth = max_depth});
  }

  std::map<std::string, std::vector<std::byte>> disk_;
  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(ImageChainTest, WithoutBackingUnallocatedIsZero) {
  const auto chain = Open(TestImage());
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  const auto extent = (*chain)->Map(io_, 0, TestImage::kDiskSize);

  EXPECT_EQ(extent->kind, Extent::Kind::kZero);
  EXPECT_EQ(extent->length, TestImage::kDiskSize);
  EXPECT_EQ((*chain)->depth(), 1u);
}

TEST_F(ImageChainTest, UnallocatedComesFromTheBackingFileAsFarAsItGoes) {
  TestImage overlay = Overlay("base", "raw");
  overlay.SetL2(1, overlay.AppendCluster(2));
  disk_["base"] = std::vector<std::byte>(3 * kCluster, std::byte{1});
  const auto chain = Open(overlay);
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  const auto bytes = DiskReader(io_, **chain).Read(0, 5 * kCluster);

  ASSERT_TRUE(bytes.ok()) << bytes.status().message();
  EXPECT_EQ((*bytes)[kCluster - 1], std::byte{1});
  EXPECT_EQ((*bytes)[kCluster], std::byte{2});
  EXPECT_EQ((*bytes)[2 * kCluster], std::byte{1});
  EXPECT_EQ((*bytes)[3 * kCluster - 1], std::byte{1});
  EXPECT_EQ((*bytes)[3 * kCluster], std::byte{0});
  EXPECT_EQ((*bytes)[5 * kCluster - 1], std::byte{0});
}

TEST_F(ImageChainTest, ZeroHidesTheBackingFile) {
  TestImage overlay = Overlay("base", "raw");
  overlay.SetL2(0, qcow2::kEntryZero);
  disk_["base"] = std::vector<std::byte>(kCluster, std::byte{1});
  const auto chain = Open(overlay);
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  EXPECT_EQ((*chain)->Map(io_, 0, kCluster)->kind, Extent::Kind::kZero);
}

TEST_F(ImageChainTest, RefusedBackingFileIsNamed) {
  const auto chain = Open(Overlay("/etc/passwd", "raw"));

  EXPECT_EQ(chain.status().code(), Code::kReferenceRefused);
  EXPECT_THAT(chain.status().message(), HasSubstr("cannot open backing file '/etc/passwd'"));
}

TEST_F(ImageChainTest, DeclaredRawIsReadAsRawWhateverItHolds) {
  disk_["base"] = TestImage().Bytes();
  const auto chain = Open(Overlay("base", "raw"));
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  const auto bytes = DiskReader(io_, **chain).Read(0, 4);

  EXPECT_EQ((*bytes)[0], std::byte{'Q'});
  EXPECT_TRUE((*chain)->warnings().empty());
}

TEST_F(ImageChainTest, UndeclaredFormatIsProbedWithAWarning) {
  TestImage base;
  base.SetL2(0, base.AppendCluster(5));
  disk_["base"] = base.Bytes();
  const auto chain = Open(Overlay("base", ""));
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  EXPECT_EQ((*DiskReader(io_, **chain).Read(0, 1))[0], std::byte{5});
  EXPECT_THAT(
      (*chain)->warnings(),
      ElementsAre("the format of backing file 'base' is not declared; it is read as qcow2"));
}

TEST_F(ImageChainTest, UnknownDeclaredFormatIsUnsupported) {
  disk_["base"] = {};
  const auto chain = Open(Overlay("base", "vmdk5"));

  EXPECT_EQ(chain.status().code(), Code::kUnsupported);
  EXPECT_THAT(chain.status().message(),
              HasSubstr("backing file 'base': unknown image format 'vmdk5'"));
}

TEST_F(ImageChainTest, EndlessChainEndsAtTheDepthLimit) {
  disk_["self"] = Overlay("self", "qcow2").Bytes();
  const auto chain = Open(Overlay("self", "qcow2"), 5);

  EXPECT_EQ(chain.status().code(), Code::kLimit);
  EXPECT_THAT(chain.status().message(), HasSubstr("more than 5 images"));
}

TEST_F(ImageChainTest, ChainOfTheLimitsDepthIsRead) {
  disk_["base"] = std::vector<std::byte>(512, std::byte{1});
  disk_["middle"] = Overlay("base", "raw").Bytes();
  const auto chain = Open(Overlay("middle", "qcow2"), 3);
  ASSERT_TRUE(chain.ok()) << chain.status().message();

  EXPECT_EQ((*chain)->depth(), 3u);
  EXPECT_EQ((*DiskReader(io_, **chain).Read(0, 1))[0], std::byte{1});
}

TEST_F(ImageChainTest, DamageInABackingFileNamesIt) {
  TestImage base;
  base.header().l1_size = 0;
  disk_["base"] = base.Bytes();
  const auto chain = Open(Overlay("base", "qcow2"));

  EXPECT_EQ(chain.status().code(), Code::kCorruptImage);
  EXPECT_THAT(chain.status().message(), HasSubstr("backing file 'base': qcow2: the L1 table"));
}

TEST_F(ImageChainTest, UnknownFormatOfTheTopImage) {
  const auto chain = ImageChain::Open(
      io_, {.file = files_.Add(std::make_unique<MemoryFile>()), .format = "foo"}, {});

  EXPECT_EQ(chain.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(chain.status().message(), "unknown image format 'foo'");
}

TEST_F(ImageChainTest, RawHasNoSnapshots) {
  const auto chain =
      ImageChain::Open(io_, {.file = files_.Add(std::make_unique<MemoryFile>()), .format = "raw"},
                       {}, {.name = "one"});

  EXPECT_EQ(chain.status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace hotcell::guest
