#include "guest/formats/raw/raw.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using Kind = Extent::Kind;

class RawTest : public testing::Test {
 protected:
  FileHandle AddMemory(size_t size) {
    return files_.Add(std::make_unique<MemoryFile>(std::vector<std::byte>(size, std::byte{1})));
  }

  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(RawTest, SizeIsRoundedUpToASectorOfZeroes) {
  const auto reader = OpenRaw(io_, AddMemory(1000), {});
  ASSERT_TRUE(reader.ok());

  const auto data = (*reader)->Map(io_, 0, 1024);
  const auto tail = (*reader)->Map(io_, 1000, 24);

  EXPECT_EQ((*reader)->virtual_size(), 1024u);
  EXPECT_EQ(data->kind, Kind::kData);
  EXPECT_EQ(data->length, 1000u);
  EXPECT_EQ(tail->kind, Kind::kZero);
  EXPECT_EQ(tail->length, 24u);
}

TEST_F(RawTest, HolesOfTheFileAreZero) {
  std::string path = "/tmp/hotcell-raw-XXXXXX";
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  unlink(path.c_str());
  ASSERT_EQ(ftruncate(fd, 8 << 20), 0);
  const std::string block(64 << 10, 'x');
  ASSERT_EQ(pwrite(fd, block.data(), block.size(), 4 << 20), 64 << 10);
  const auto reader = OpenRaw(io_, files_.Add(std::make_unique<FdFile>(fd)), {});
  ASSERT_TRUE(reader.ok());

  const auto hole = (*reader)->Map(io_, 0, 8 << 20);
  const auto data = (*reader)->Map(io_, 4 << 20, 4 << 20);

  EXPECT_EQ(hole->kind, Kind::kZero);
  EXPECT_EQ(hole->length, 4u << 20);
  EXPECT_EQ(data->kind, Kind::kData);
  EXPECT_EQ(data->offset, 4u << 20);
  EXPECT_EQ(data->length, 64u << 10);
  EXPECT_EQ(io_.request_count(), 1u);
}

TEST_F(RawTest, OneRunIsAskedForOnce) {
  const auto reader = OpenRaw(io_, AddMemory(10 << 20), {});
  ASSERT_TRUE(reader.ok());

  for (uint64_t offset = 0; offset < 10 << 20; offset += 1 << 20) {
    EXPECT_EQ((*reader)->Map(io_, offset, 1 << 20)->length, 1u << 20);
  }

  EXPECT_EQ(io_.request_count(), 1u);
}

TEST_F(RawTest, EmptyFileIsAnEmptyDisk) {
  const auto reader = OpenRaw(io_, AddMemory(0), {});

  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->virtual_size(), 0u);
}

TEST_F(RawTest, LimitOfTheDiskSizeIsKept) {
  EXPECT_EQ(OpenRaw(io_, AddMemory(1025), {.max_virtual_size = 1024}).status().code(),
            Code::kLimit);
  EXPECT_TRUE(OpenRaw(io_, AddMemory(1024), {.max_virtual_size = 1024}).ok());
}

TEST_F(RawTest, UnknownBytesProbeAsRaw) {
  const auto format = ProbeFormat(io_, AddMemory(100));

  ASSERT_TRUE(format.ok());
  EXPECT_EQ((*format)->name, "raw");
}

TEST_F(RawTest, FailedBlockStatusIsAnIoError) {
  const auto reader = OpenRaw(io_, AddMemory(512), {});
  files_.set_fault_hook(
      [](const NativeRequest&) { return IoResult{.status = IoStatus::kIoError, .value = 5}; });

  EXPECT_EQ((*reader)->Map(io_, 0, 512).status().code(), Code::kIo);
}

TEST_F(RawTest, FileThatShrinksIsAnIoError) {
  const auto reader = OpenRaw(io_, AddMemory(512), {});
  files_.set_fault_hook([](const NativeRequest&) { return IoResult{.value = 0, .value2 = 0}; });

  EXPECT_EQ((*reader)->Map(io_, 0, 512).status().code(), Code::kIo);
}

}  // namespace
}  // namespace hotcell::guest
