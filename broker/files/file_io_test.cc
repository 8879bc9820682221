#include "broker/files/file_io.h"

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "base/alignment.h"
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

TEST_F(FileIoTest, ManyZeroesReplaceDataWhereverTheKernelIsAskedInPieces) {
  constexpr uint64_t kPiece = 128 * kMiB;
  JobFile& file = Output("");
  for (const uint64_t offset : {uint64_t{0}, kPiece - 2, 2 * kPiece - 2, 2 * kPiece + 100}) {
    ASSERT_EQ(WriteAt(file, offset, Bytes("data")), 0);
  }
  EXPECT_EQ(WriteZeroesAt(file, 2, 2 * kPiece + 100, stop_), 0);
  std::string ends(4, '?');
  ASSERT_EQ(pread(file.fd, ends.data(), 2, 0), 2);
  ASSERT_EQ(pread(file.fd, ends.data() + 2, 2, 2 * kPiece + 102), 2);
  EXPECT_EQ(ends, "data");
  EXPECT_LE(AllocatedBytes(), 64 << 10);
}

TEST_F(FileIoTest, ZeroesOfAJobThatEndsAreGivenUp) {
  JobFile& file = Output(std::string(kMiB, 'x'));
  stop_ = true;
  EXPECT_EQ(WriteZeroesAt(file, 0, kMiB, stop_), ECANCELED);
  EXPECT_EQ(dir_.Read("out"), std::string(kMiB, 'x'));
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
    abi::BlockRun run;
    EXPECT_EQ(GetBlockStatus(file, offset, length, {&run, 1}), 1u);
    return std::pair(run.is_data == 1, run.length);
  };
  EXPECT_EQ(status(0, 10 * kMiB), std::pair(false, kMiB));
  EXPECT_EQ(status(kMiB, 10 * kMiB), std::pair(true, kMiB));
  EXPECT_EQ(status(kMiB + 1, 10), std::pair(true, uint64_t{10}));
  EXPECT_EQ(status(2 * kMiB, 10 * kMiB), std::pair(false, 2 * kMiB));
  EXPECT_EQ(status(9 * kMiB, 5), std::pair(false, uint64_t{5}));
}

TEST_F(FileIoTest, CopiesHoweverTheFilesAreAccessed) {
  std::string content(3 * kMiB + 77, 0);
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i / 4096 + i * 7);
  dir_.Write("in", content);
  const UniqueFd in = dir_.Open("in", O_RDONLY);
  for (const Durability durability : {Durability::kNone, Durability::kEveryWrite}) {
    JobFile& file = Output("", durability);
    const JobFile& source = *files_->Find(*files_->AddInput(in.get(), "in"));
    EXPECT_EQ(CopyAt(source, 0, file, 0, content.size()).bytes, content.size());
    EXPECT_EQ(dir_.Read("out"), content);
    // The copy starts within a block and asks for more than the source has.
    EXPECT_EQ(CopyAt(source, kMiB + 5, file, 9, 3 * kMiB).bytes, 2 * kMiB + 72);
    EXPECT_EQ(dir_.Read("out"),
              content.substr(0, 9) + content.substr(kMiB + 5) + content.substr(9 + 2 * kMiB + 72));
    EXPECT_EQ(file.size, content.size());
    EXPECT_EQ(CopyAt(source, 4 * kMiB, file, 0, 1).bytes, 0u);
  }
}

TEST_F(FileIoTest, CopiesWhereTheKernelDoesNot) {
  // copy_file_range() takes no files of procfs: it says that there is nothing, or EXDEV.
  JobFile& file = Output("");
  const UniqueFd in(open("/proc/version", O_RDONLY | O_CLOEXEC));
  const JobFile& source = *files_->Find(*files_->AddInput(in.get(), "in"));
  const TransferResult copied = CopyAt(source, 0, file, 0, kMiB);
  EXPECT_EQ(copied.error, 0);
  EXPECT_GT(copied.bytes, 0u);
  EXPECT_EQ(dir_.Read("out"),
            (std::ostringstream() << std::ifstream("/proc/version").rdbuf()).str());
}

TEST_F(FileIoTest, ACopyReportsTheErrnoOfTheKernel) {
  JobFile& file = Output("");
  const UniqueFd in(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));  // nothing at 0
  const JobFile& source = *files_->Find(*files_->AddInput(in.get(), "in"));
  EXPECT_EQ(CopyAt(source, 0, file, 0, 1).error, EIO);
}

TEST_F(FileIoTest, BlockStatusTellsManyRunsAtOnce) {
  JobFile& file = Output("");
  ASSERT_EQ(SetFileSize(file, 4 * kMiB), 0);
  ASSERT_EQ(WriteAt(file, kMiB, Bytes(std::string(kMiB, 'x'))), 0);
  std::array<abi::BlockRun, 5> runs{};
  ASSERT_EQ(GetBlockStatus(file, 1, 10 * kMiB, runs), 4u);
  const std::pair<uint64_t, uint64_t> expected[] = {
      {0, kMiB - 1}, {1, kMiB}, {0, 2 * kMiB}, {0, 6 * kMiB + 1}};
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(std::pair(runs[i].is_data, runs[i].length), expected[i]) << i;
  }
  EXPECT_EQ(GetBlockStatus(file, 1, 10 * kMiB, std::span(runs).first(2)), 2u);
}

TEST_F(FileIoTest, FlushSucceedsInEveryMode) {
  for (const Durability durability :
       {Durability::kNone, Durability::kOnFlush, Durability::kEveryWrite}) {
    EXPECT_EQ(FlushFile(Output("x", durability)), 0);
  }
}

constexpr uint64_t kUnit = 4096;

// These tests need a file system that has O_DIRECT, and a page cache to pass by.
class DirectIoTest : public testing::Test {
 protected:
  DirectIoTest() {
    for (size_t i = 0; i < content_.size(); ++i) {
      content_[i] = static_cast<char>(i / kUnit + i * 7);
    }
    data_.resize(content_.size() + 2 * kUnit);
    void* start = data_.data();
    size_t space = data_.size();
    aligned_ = static_cast<std::byte*>(std::align(kUnit, content_.size() + kUnit, start, space));
  }
  void SetUp() override {
    struct statfs info {};
    ASSERT_EQ(statfs(dir_.path().c_str(), &info), 0);
    if (info.f_type == TMPFS_MAGIC) GTEST_SKIP() << "a tmpfs is its own cache";
    dir_.Write("file", "");
    fd_ = dir_.Open("file", O_RDWR);
    const auto slot =
        files_.AddOutput(fd_.get(), "file", Durability::kOnFlush, true, Access::kDirect);
    if (!slot.ok()) GTEST_SKIP() << slot.status();
    output_ = files_.Find(*slot);
    if (output_->direct_alignment != kUnit) GTEST_SKIP() << "blocks of another size";
  }

  // `size` bytes of content_ from `from` on, in memory `skew` bytes off a page.
  std::span<std::byte> Source(size_t from, size_t size, size_t skew) {
    std::memcpy(aligned_ + skew, content_.data() + from, size);
    return {aligned_ + skew, size};
  }
  // How many pages of the file are cached, before anything else reads it.
  uint64_t CachedPages() const {
    struct stat info {};
    EXPECT_EQ(fstat(fd_.get(), &info), 0);
    const auto size = static_cast<size_t>(info.st_size);
    void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_.get(), 0);
    EXPECT_NE(map, MAP_FAILED);
    std::vector<unsigned char> pages(DivideUp(size, kUnit));
    EXPECT_EQ(mincore(map, size, pages.data()), 0);
    munmap(map, size);
    return static_cast<uint64_t>(
        std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
  }

  TempDir dir_;
  UniqueFd fd_;
  FileTable files_{FileLimits{.chain_depth = 1}};
  JobFile* output_ = nullptr;
  std::string content_ = std::string(kMiB + 1234, 0);
  std::vector<std::byte> data_;
  std::byte* aligned_ = nullptr;
};

TEST_F(DirectIoTest, AlignedWritesPassByTheCache) {
  ASSERT_TRUE(WritesDirectly(*output_, 3 * kUnit, Source(0, kMiB, 0)));
  ASSERT_EQ(WriteAt(*output_, 3 * kUnit, Source(0, kMiB, 0)), 0);
  EXPECT_EQ(CachedPages(), 0u);
  EXPECT_EQ(output_->cached_bytes, 0u);
  EXPECT_EQ(dir_.Read("file"), std::string(3 * kUnit, 0) + content_.substr(0, kMiB));
}

TEST_F(DirectIoTest, ASynchronousWriteIsDirectToo) {
  output_->durability = Durability::kEveryWrite;
  ASSERT_EQ(WriteAt(*output_, 0, Source(0, kMiB, 0)), 0);
  EXPECT_EQ(CachedPages(), 0u);
  EXPECT_EQ(dir_.Read("file"), content_.substr(0, kMiB));
}

TEST_F(DirectIoTest, OnlyHeadAndTailOfAWriteGoThroughTheCache) {
  const uint64_t size = 100 + 8 * kUnit + 300;
  const auto data = Source(0, size, kUnit - 100);
  EXPECT_FALSE(WritesDirectly(*output_, kUnit - 100, data));
  ASSERT_EQ(WriteAt(*output_, kUnit - 100, data), 0);
  EXPECT_EQ(output_->cached_bytes, 400u);
  EXPECT_EQ(output_->size, kUnit - 100 + size);
  EXPECT_GE(CachedPages(), 1u);
  ASSERT_EQ(FlushFile(*output_), 0);
  EXPECT_EQ(CachedPages(), 0u);
  EXPECT_EQ(dir_.Read("file"), std::string(kUnit - 100, 0) + content_.substr(0, size));
}

TEST_F(DirectIoTest, WritesOfAnyAlignmentAreRight) {
  std::string expected;
  for (const uint64_t offset : {uint64_t{1}, kUnit - 1, kUnit, 3 * kUnit + 512, 9 * kUnit}) {
    for (const uint64_t size : {uint64_t{1}, kUnit - 1, kUnit, 5 * kUnit + 17, 8 * kUnit}) {
      for (const size_t skew : {size_t{0}, size_t{1}, size_t{512}, kUnit - 1}) {
        const size_t from = offset + size + skew;
        ASSERT_EQ(WriteAt(*output_, offset, Source(from, size, skew)), 0);
        expected.resize(std::max<size_t>(expected.size(), offset + size));
        expected.replace(offset, size, content_, from, size);
        ASSERT_EQ(dir_.Read("file"), expected) << offset << ' ' << size << ' ' << skew;
      }
    }
  }
}

TEST_F(DirectIoTest, ReadsOfAnyAlignmentAreRightAndPassByTheCache) {
  ASSERT_EQ(WriteAt(*output_, 0, Source(0, content_.size(), 0)), 0);
  ASSERT_EQ(FlushFile(*output_), 0);
  FileTable files{FileLimits{}};
  JobFile& input = *files.Find(*files.AddInput(fd_.get(), "file", Access::kDirect));
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, kUnit - 1, kUnit, 3 * kUnit + 512,
                                kMiB - 5, kMiB + 1000, kMiB + 1234, 4 * kMiB}) {
    for (const uint64_t size : {uint64_t{1}, kUnit - 1, kUnit, 5 * kUnit + 17, kMiB}) {
      for (const size_t skew : {size_t{0}, size_t{1}, size_t{512}, offset % kUnit}) {
        const TransferResult got = ReadAt(input, offset, {aligned_ + skew, size});
        const std::string expected = offset < content_.size() ? content_.substr(offset, size) : "";
        ASSERT_EQ(got.error, 0);
        ASSERT_EQ(std::string(reinterpret_cast<char*>(aligned_ + skew), got.bytes), expected)
            << offset << ' ' << size << ' ' << skew;
      }
    }
  }
  EXPECT_EQ(CachedPages(), 0u);
}

TEST_F(DirectIoTest, CopiesPassByTheCache) {
  dir_.Write("source", content_);
  const UniqueFd in = dir_.Open("source", O_RDONLY);
  FileTable files{FileLimits{}};
  const JobFile& source = *files.Find(*files.AddInput(in.get(), "source", Access::kDirect));
  EXPECT_EQ(CopyAt(source, 0, *output_, 0, kMiB).bytes, kMiB);
  EXPECT_EQ(CachedPages(), 0u);
  EXPECT_EQ(dir_.Read("file"), content_.substr(0, kMiB));
}

TEST_F(DirectIoTest, CachedWritesAreDroppedWithoutAFlush) {
  // Synchronous, so that what is dropped is on the disk.
  output_->durability = Durability::kEveryWrite;
  for (uint64_t at = 0; at < 33 * kMiB; at += kMiB) {
    ASSERT_EQ(WriteAt(*output_, at + 1, Source(0, kMiB, 0)), 0);
  }
  EXPECT_EQ(output_->cached_bytes, 33 * kMiB);
  EXPECT_LT(CachedPages(), 4 * kMiB / kUnit);
}

TEST_F(DirectIoTest, ReferencesAreAccessedAsTheirReferrerIs) {
  dir_.Write("source", "x");
  dir_.Write("base", "x");
  const UniqueFd source = dir_.Open("source", O_RDONLY);
  for (const Access access : {Access::kCached, Access::kDirect}) {
    FileTable files{FileLimits{.chain_depth = 2, .references = 1}};
    const uint32_t image = *files.AddInput(source.get(), "source", access);
    const uint32_t base = *files.AddReference(dir_.Open("base", O_RDONLY), "base", image,
                                              abi::ReferenceKind::kBackingFile);
    EXPECT_EQ(files.Find(base)->direct.valid(), access == Access::kDirect);
  }
}

}  // namespace
}  // namespace hotcell::broker
