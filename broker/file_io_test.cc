#include "broker/file_io.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "broker/testing/temp_dir.h"

namespace hotcell::broker {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class FileIoTest : public testing::Test {
 protected:
  JobFile& Output(const std::string& content, Durability durability = Durability::kNone) {
    dir_.Write("out", content);
    fd_ = dir_.Open("out", O_RDWR);
    files_ = std::make_unique<FileTable>(FileLimits{});
    return *files_->Find(*files_->AddOutput(fd_.get(), "out", durability, content.empty()));
  }
  int64_t AllocatedBytes() {
    struct stat info {};
    EXPECT_EQ(fstat(fd_.get(), &info), 0);
    return info.st_blocks * 512;
  }

  TempDir dir_;
  UniqueFd fd_;
  std::unique_ptr<FileTable> files_;
  std::atomic<bool> stop_ = false;
};

TEST_F(FileIoTest, ReadsUpToTheEnd) {
  JobFile& file = Output("0123456789");
  std::byte buffer[8];
  EXPECT_EQ(ReadAt(file, 0, buffer).bytes, 8u);
  EXPECT_EQ(ReadAt(file, 6, buffer).bytes, 4u);
  EXPECT_EQ(std::memcmp(buffer, "6789", 4), 0);
  EXPECT_EQ(ReadAt(file, 100, buffer).bytes, 0u);
  EXPECT_EQ(ReadAt(file, 100, buffer).error, 0);
}

TEST_F(FileIoTest, WritesGrowTheFile) {
  for (const Durability durability : {Durability::kNone, Durability::kEveryWrite}) {
    JobFile& file = Output("", durability);
    EXPECT_EQ(WriteAt(file, 5, Bytes("abc")), 0);
    EXPECT_EQ(file.size, 8u);
    EXPECT_EQ(dir_.Read("out"), std::string(5, '\0') + "abc");
  }
}

TEST_F(FileIoTest, ReportsTheErrnoOfTheKernel) {
  JobFile& file = Output("");
  const rlimit small{.rlim_cur = 10, .rlim_max = RLIM_INFINITY};
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_EQ(WriteAt(file, 20, Bytes("x")), EFBIG);
  EXPECT_EQ(WriteAt(file, 8, Bytes("four")), EFBIG);  // after a short write of two bytes
  EXPECT_EQ(SetFileSize(file, 11), EFBIG);
  setrlimit(RLIMIT_FSIZE, &before);
}

TEST_F(FileIoTest, ZeroesReplaceDataAndFreeIt) {
  JobFile& file = Output(std::string(kMiB, 'x'));
  EXPECT_EQ(WriteZeroesAt(file, 4096, kMiB - 8192, stop_), 0);
  EXPECT_EQ(dir_.Read("out"),
            std::string(4096, 'x') + std::string(kMiB - 8192, '\0') + std::string(4096, 'x'));
  EXPECT_LE(AllocatedBytes(), 64 << 10);
}

TEST_F(FileIoTest, ZeroesNeedNoAlignment) {
  JobFile& file = Output("aaaaaaaaaa");
  EXPECT_EQ(WriteZeroesAt(file, 3, 4, stop_), 0);
  EXPECT_EQ(dir_.Read("out"), std::string("aaa\0\0\0\0aaa", 10));
}

TEST_F(FileIoTest, ZeroesBeyondTheEndOnlyGrowTheFile) {
  JobFile& file = Output("");
  EXPECT_EQ(WriteZeroesAt(file, kMiB, 10 * kMiB, stop_), 0);
  EXPECT_EQ(file.size, 11 * kMiB);
  EXPECT_EQ(AllocatedBytes(), 0);
  EXPECT_EQ(WriteAt(file, 100, Bytes("data")), 0);
  EXPECT_EQ(WriteZeroesAt(file, 0, 102, stop_), 0);
  EXPECT_EQ(dir_.Read("out").substr(98, 8), std::string("\0\0\0\0ta\0\0", 8));
  EXPECT_EQ(file.size, 11 * kMiB);
}

TEST_F(FileIoTest, SetSizeShrinksAndGrows) {
  JobFile& file = Output("0123456789");
  EXPECT_EQ(SetFileSize(file, 4), 0);
  EXPECT_EQ(SetFileSize(file, 6), 0);
  EXPECT_EQ(dir_.Read("out"), std::string("0123\0\0", 6));
  EXPECT_EQ(file.written_end, 4u);
}

TEST_F(FileIoTest, SettingTheSizeNeverCutsOffAnotherLanesWrite) {
  JobFile& file = Output("");
  constexpr int kWrites = 2000;
  std::thread zeroer([&] {
    for (int i = 0; i < kWrites; ++i) ASSERT_EQ(WriteZeroesAt(file, i * 10, 1, stop_), 0);
  });
  for (int i = 0; i < kWrites; ++i) ASSERT_EQ(WriteAt(file, i * 10 + 5, Bytes("x")), 0);
  zeroer.join();
  const std::string content = dir_.Read("out");
  ASSERT_EQ(content.size(), (kWrites - 1) * 10 + 6u);
  for (int i = 0; i < kWrites; ++i) ASSERT_EQ(content[i * 10 + 5], 'x') << i;
}

TEST_F(FileIoTest, BlockStatusTellsHolesFromData) {
  JobFile& file = Output("");
  ASSERT_EQ(SetFileSize(file, 4 * kMiB), 0);
  ASSERT_EQ(WriteAt(file, kMiB, Bytes(std::string(kMiB, 'x'))), 0);
  const auto status = [&](uint64_t offset, uint64_t length) {
    const BlockStatusResult result = GetBlockStatus(file, offset, length);
    return std::pair(result.data, result.length);
  };
  EXPECT_EQ(status(0, 10 * kMiB), std::pair(false, kMiB));
  EXPECT_EQ(status(kMiB, 10 * kMiB), std::pair(true, kMiB));
  EXPECT_EQ(status(kMiB + 1, 10), std::pair(true, uint64_t{10}));
  EXPECT_EQ(status(2 * kMiB, 10 * kMiB), std::pair(false, 2 * kMiB));
  EXPECT_EQ(status(9 * kMiB, 5), std::pair(false, uint64_t{5}));
}

TEST_F(FileIoTest, FlushSucceedsInEveryMode) {
  for (const Durability durability :
       {Durability::kNone, Durability::kOnFlush, Durability::kEveryWrite}) {
    EXPECT_EQ(FlushFile(Output("x", durability)), 0);
  }
}

}  // namespace
}  // namespace hotcell::broker
