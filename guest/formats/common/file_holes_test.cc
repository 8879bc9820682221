#include "guest/formats/common/file_holes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "guest/formats/testing/qemu_img.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class FileHolesTest : public testing::Test {
 protected:
  // A file of `size` bytes with data in [begin, end).
  FileHandle MakeFile(uint64_t size, uint64_t begin, uint64_t end) {
    const std::string path = directory_.path("file");
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(size)), 0);
    const std::string data(end - begin, 'x');
    EXPECT_EQ(pwrite(fd, data.data(), data.size(), static_cast<off_t>(begin)),
              static_cast<ssize_t>(data.size()));
    close(fd);
    return files_.AddPath(path, O_RDONLY);
  }

  static void Expect(const Result<FileHoles::Run>& run, bool is_hole, uint64_t length) {
    ASSERT_TRUE(run.ok()) << run.status().message();
    EXPECT_EQ(run->is_hole, is_hole);
    EXPECT_EQ(run->length, length);
  }

  const TemporaryDirectory directory_;
  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(FileHolesTest, TellsHolesFromDataAsFarAsItIsAsked) {
  FileHoles holes(MakeFile(4 * kMiB, kMiB, 2 * kMiB), 0);

  Expect(holes.At(io_, 0, 4 * kMiB), true, kMiB);
  Expect(holes.At(io_, kMiB + 5, 100), false, 100);
  Expect(holes.At(io_, kMiB + 5, 4 * kMiB), false, kMiB - 5);
  Expect(holes.At(io_, 3 * kMiB, kMiB), true, kMiB);
}

TEST_F(FileHolesTest, BehindTheEndOfTheFileIsNoHole) {
  FileHoles holes(MakeFile(4 * kMiB, kMiB, 2 * kMiB), 0);

  Expect(holes.At(io_, 3 * kMiB, 2 * kMiB), true, kMiB);
  Expect(holes.At(io_, 4 * kMiB, kMiB), false, kMiB);
}

TEST_F(FileHolesTest, ShortHolesAreData) {
  FileHoles holes(MakeFile(4 * kMiB, kMiB, 4 * kMiB - 4096), 64 << 10);

  Expect(holes.At(io_, 0, 4 * kMiB), true, kMiB);
  Expect(holes.At(io_, kMiB, 3 * kMiB), false, 3 * kMiB);
}

TEST_F(FileHolesTest, DenseFileIsAskedAboutOnce) {
  FileHoles holes(MakeFile(4 * kMiB, 0, 4 * kMiB), 0);

  for (uint64_t offset = 4 * kMiB; offset > 0; offset -= 4096) {
    Expect(holes.At(io_, offset - 4096, 4096), false, 4096);
  }

  EXPECT_EQ(io_.request_count(), 1u);
}

TEST_F(FileHolesTest, WhatIsKnownIsNotAskedForAgain) {
  FileHoles holes(MakeFile(64 * kMiB, 20 * kMiB, 21 * kMiB), 0);

  Expect(holes.At(io_, 40 * kMiB, kMiB), true, kMiB);
  Expect(holes.At(io_, 0, 64 * kMiB), true, 20 * kMiB);
  Expect(holes.At(io_, 20 * kMiB, 64 * kMiB), false, kMiB);
  // The answer ended where the first one began, at a multiple of 16 MiB.
  Expect(holes.At(io_, 21 * kMiB, 64 * kMiB), true, 11 * kMiB);
}

}  // namespace
}  // namespace hotcell::guest
