#include "guest/formats/common/stream_reader.h"

#include <gtest/gtest.h>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

class StreamReaderTest : public testing::Test {
 protected:
  StreamReaderTest() {
    std::vector<std::byte> bytes(300000);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * 31 % 251);
    expected_ = bytes;
    file_ = files_.Add(std::make_unique<MemoryFile>(std::move(bytes)));
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  std::vector<std::byte> expected_;
  FileHandle file_;
};

TEST_F(StreamReaderTest, PiecesOfAnySizeComeInOrder) {
  StreamReader stream(io_, file_, 100, 250000, "the table");
  size_t at = 100;
  for (size_t size : {size_t{1}, size_t{0}, size_t{70000}, size_t{8}, size_t{65535}, size_t{9}}) {
    const auto piece = stream.Take(size);
    ASSERT_TRUE(piece.ok()) << piece.status().message();
    ASSERT_EQ(piece->size(), size);
    EXPECT_TRUE(std::equal(piece->begin(), piece->end(), expected_.begin() + at));
    at += size;
  }
  EXPECT_EQ(stream.position(), at - 100);
}

TEST_F(StreamReaderTest, SkippedBytesAreNotRead) {
  StreamReader stream(io_, file_, 0, 300000, "the table");
  ASSERT_TRUE(stream.Skip(200001).ok());
  ASSERT_TRUE(stream.SkipPadding(8).ok());

  EXPECT_EQ((*stream.Take(1))[0], expected_[200008]);
  EXPECT_EQ(io_.request_count(), 1u);
}

TEST_F(StreamReaderTest, MoreThanTheLimitIsCorrupt) {
  StreamReader stream(io_, file_, 0, 10, "the table");

  EXPECT_TRUE(stream.Take(10).ok());
  EXPECT_EQ(stream.Take(1).status().code(), Code::kCorruptImage);
  EXPECT_EQ(stream.Skip(UINT64_MAX).code(), Code::kCorruptImage);
}

TEST_F(StreamReaderTest, EndOfTheFileIsNamed) {
  StreamReader stream(io_, file_, 299990, 100, "the table");

  EXPECT_EQ(stream.Take(11).status().message(),
            "the table at 0x493d6 (at least 11 bytes) reaches past the end of the file (300000 "
            "bytes); the file is truncated or damaged");
}

TEST_F(StreamReaderTest, TableBeyondTheFileIsCorrupt) {
  StreamReader stream(io_, file_, UINT64_MAX - 5, 100, "the table");

  EXPECT_EQ(stream.Take(1).status().code(), Code::kCorruptImage);
}

}  // namespace
}  // namespace hotcell::guest
