#include "guest/formats/common/piece_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

std::vector<std::byte> Sample(size_t size, size_t factor) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = std::byte(i * factor % 251);
  return bytes;
}

class PieceCacheTest : public testing::Test {
 protected:
  static constexpr size_t kFileSize = 3 * PieceCache::kPieceSize + 1000;

  void ExpectRead(uint64_t offset, size_t size) {
    std::vector<std::byte> out(size);
    const Status status = cache_.Read(io_, file_, offset, out, "the table");
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(std::equal(out.begin(), out.end(), expected_.begin() + offset)) << offset;
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  const std::vector<std::byte> expected_ = Sample(kFileSize, 31);
  const FileHandle file_ = files_.Add(std::make_unique<MemoryFile>(expected_));
  PieceCache cache_{2};
};

TEST_F(PieceCacheTest, EntriesOfOnePieceCostOneRequest) {
  for (uint64_t offset = 0; offset < PieceCache::kPieceSize; offset += 4096) ExpectRead(offset, 8);

  EXPECT_EQ(io_.request_count(), 1u);
}

TEST_F(PieceCacheTest, ReadsAcrossPiecesAndToTheEnd) {
  ExpectRead(PieceCache::kPieceSize - 5, 10);
  ExpectRead(100, kFileSize - 100);
  ExpectRead(kFileSize - 1, 1);
  ExpectRead(kFileSize, 0);
}

TEST_F(PieceCacheTest, ForgetsThePieceUsedLongestAgo) {
  ExpectRead(0, 1);
  ExpectRead(PieceCache::kPieceSize, 1);
  ExpectRead(1, 1);
  ExpectRead(2 * PieceCache::kPieceSize, 1);
  ExpectRead(2, 1);
  EXPECT_EQ(io_.request_count(), 3u);

  ExpectRead(PieceCache::kPieceSize, 1);
  EXPECT_EQ(io_.request_count(), 4u);
}

TEST_F(PieceCacheTest, FilesDoNotMix) {
  const FileHandle other = files_.Add(std::make_unique<MemoryFile>(Sample(kFileSize, 7)));
  ExpectRead(1, 1);
  std::byte found{};

  ASSERT_TRUE(cache_.Read(io_, other, 1, {&found, 1}, "the table").ok());

  EXPECT_EQ(found, std::byte{7});
}

TEST_F(PieceCacheTest, PastTheEndIsCorrupt) {
  std::vector<std::byte> out(10);
  for (const uint64_t offset : {kFileSize - 9, kFileSize + 1, size_t{UINT64_MAX}}) {
    const Status status = cache_.Read(io_, file_, offset, out, "the table");
    EXPECT_EQ(status.code(), Code::kCorruptImage) << offset;
    EXPECT_THAT(status.message(), testing::HasSubstr("the table at 0x")) << offset;
  }
}

TEST_F(PieceCacheTest, FileThatHasBecomeShorterIsCorrupt) {
  const FileHandle believed = {.slot = file_.slot, .size = kFileSize + 5000};
  std::byte out{};

  const Status status = cache_.Read(io_, believed, kFileSize + 1, {&out, 1}, "the table");

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), testing::HasSubstr("shorter"));
}

}  // namespace
}  // namespace hotcell::guest
