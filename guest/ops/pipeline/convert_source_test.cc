#include "guest/ops/pipeline/convert_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/pipeline/chunk_reader.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using Kind = Extent::Kind;
using testing::HasSubstr;

class ConvertSourceTest : public testing::Test {
 protected:
  std::string MakeFile(const std::string& name, size_t size) {
    const std::string path = directory_.path(name);
    std::ofstream(path, std::ios::binary) << std::string(size, 'x');
    return path;
  }
  FileHandle Open(const std::string& path) { return files_.AddPath(path, O_RDONLY); }
  Result<ConvertSource> OpenSource(const ConvertJob& job) { return ConvertSource::Open(io_, job); }
  static SourceImage Raw(const FileHandle& file) { return {.file = file, .format = "raw"}; }

  const TemporaryDirectory directory_;
  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(ConvertSourceTest, PutsImagesOneAfterTheOtherInWholeSectors) {
  const FileHandle first = Open(MakeFile("first", 1000));
  const FileHandle second = Open(MakeFile("second", 4096));
  auto source = OpenSource({.source = Raw(first), .more_sources = {Raw(second)}});
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->size(), 1024 + 4096);
  EXPECT_EQ(source->format(), "raw");

  auto extent = source->Map(io_, 0, source->size());
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent->length, 1000u);
  extent = source->Map(io_, 1000, source->size() - 1000);
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent->kind, Kind::kZero);
  EXPECT_EQ(extent->length, 24u);
  extent = source->Map(io_, 1024 + 512, 4096 - 512);
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent->kind, Kind::kData);
  EXPECT_EQ(extent->slot, second.slot);
  EXPECT_EQ(extent->offset, 512u);
}

TEST_F(ConvertSourceTest, CutsAWindowOutOfAnImage) {
  const FileHandle file = Open(MakeFile("image", 10000));
  auto source = OpenSource({.source = Raw(file), .window = {{1000, 2500}}});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->size(), 1536u);
  auto extent = source->Map(io_, 100, 1436);
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent->offset, 1100u);
  EXPECT_EQ(extent->length, 1400u);

  // The image has 10240 bytes.
  source = OpenSource({.source = Raw(file), .window = {{9000, 20000}}});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->size(), 1536u);
  source = OpenSource({.source = Raw(file), .window = {{20000, 30000}}});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->size(), 0u);
}

TEST_F(ConvertSourceTest, HoldsNothingWithoutAnImage) {
  auto source = OpenSource({.size = 1000});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(source->size(), 1024u);
  EXPECT_EQ(source->Map(io_, 0, 1024)->kind, Kind::kZero);
  EXPECT_EQ(source->MapTop(io_, 0, 1024)->kind, Kind::kUnallocated);
}

TEST_F(ConvertSourceTest, HoldsTheLimitOnTheSumOfSizes) {
  const FileHandle file = Open(MakeFile("image", 4096));
  const auto source = OpenSource({.limits = {.max_virtual_size = 12000},
                                  .source = Raw(file),
                                  .more_sources = {Raw(file), Raw(file)}});
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.status().code(), Code::kLimit);
  EXPECT_THAT(source.status().message(), HasSubstr("12288"));
  EXPECT_EQ(OpenSource({.limits = {.max_virtual_size = 12000}, .size = 12001}).status().code(),
            Code::kLimit);
}

// An overlay of 512-byte clusters over a base that is shorter, for a target of 64 KiB clusters.
TEST_F(ConvertSourceTest, LeavesWholeClustersToTheTargetsBackingImage) {
  if (!HaveQemuImg()) GTEST_SKIP();
  directory_.Run(R"(
    qemu-img create -q -f raw base 1M && qemu-io -f raw -c 'write -P 1 0 1M' base >/dev/null
    qemu-img create -q -f qcow2 -o cluster_size=512 -b base -F raw top 2M
    qemu-io -c 'write -P 2 256k 512' -c 'write -z 384k 64k' top >/dev/null)");
  files_.set_reference_opener([&](uint32_t, ReferenceKind, std::string_view) {
    return NativeFiles::Opened{
        .status = IoStatus::kOk,
        .file = std::make_unique<FdFile>(open(directory_.path("base").c_str(), O_RDONLY))};
  });
  auto source = OpenSource({.source = {{.file = Open(directory_.path("top")), .format = "qcow2"}}});
  ASSERT_TRUE(source.ok()) << source.status().message();

  constexpr uint64_t kCluster = 64 << 10;
  ReadPlan plan = {.source = &*source,
                   .source_size = source->size(),
                   .backing_unit = kCluster,
                   .backing_size = 2 << 20};
  const auto map = [&](uint64_t offset, uint64_t end) {
    return *MapForTarget(plan, io_, offset, end - offset);
  };
  Extent extent = map(0, 1 << 20);
  EXPECT_EQ(extent.kind, Kind::kUnallocated);
  EXPECT_EQ(extent.length, 256u << 10);
  extent = map(256 << 10, 1 << 20);
  EXPECT_EQ(extent.kind, Kind::kData);
  EXPECT_EQ(extent.length, 512u);
  // The rest of that cluster comes from the source's base.
  extent = map((256 << 10) + 512, 1 << 20);
  EXPECT_EQ(extent.kind, Kind::kData);
  EXPECT_EQ(extent.length, kCluster - 512);
  extent = map(320 << 10, 1 << 20);
  EXPECT_EQ(extent.kind, Kind::kUnallocated);
  EXPECT_EQ(extent.length, kCluster);
  extent = map(384 << 10, 1 << 20);
  EXPECT_EQ(extent.kind, Kind::kZero);
  EXPECT_EQ(extent.length, kCluster);
  // The source's base has ended here, the target's has not.
  extent = map(1 << 20, 2 << 20);
  EXPECT_EQ(extent.kind, Kind::kZero);
  plan.backing_size = 1 << 20;
  EXPECT_EQ(map(1 << 20, 2 << 20).kind, Kind::kUnallocated);
}

}  // namespace
}  // namespace hotcell::guest
