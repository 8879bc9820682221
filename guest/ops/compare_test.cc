#include "guest/ops/compare.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/testing/testing_convert.h"
#include "guest/runtime/native/native_lanes.h"

namespace hotcell::guest {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMebibyte = 1 << 20;

class CompareTest : public testing::Test {
 protected:
  struct Options {
    std::string first_format = "raw";
    std::string second_format = "raw";
    bool strict = false;
    uint32_t lanes = 1;
    NativeFiles::FaultHook fault = nullptr;
  };

  Result<CompareSummary> Run(const Options& options) {
    NativeFiles files;
    const CompareJob job = {
        .limits = {.max_virtual_size = 64ull << 40},
        .first = Source(files.AddPath(first_, O_RDONLY), options.first_format),
        .second = Source(files.AddPath(second_, O_RDONLY), options.second_format),
        .strict = options.strict};
    if (options.fault) files.set_fault_hook(options.fault);
    NativeLanes lanes(files, options.lanes, 8, 2 * kMebibyte);
    auto summary = Compare(lanes, job);
    if (summary.ok() && summary->outcome == CompareOutcome::kIdentical) {
      EXPECT_EQ(lanes.total(), std::max(summary->first_size, summary->second_size));
      EXPECT_EQ(lanes.done(), lanes.total());
    }
    return summary;
  }

  void ExpectOutcome(const Options& options, CompareOutcome outcome, uint64_t offset) {
    for (const uint32_t lanes : {1, 3}) {
      Options with_lanes = options;
      with_lanes.lanes = lanes;
      const auto summary = Run(with_lanes);
      ASSERT_TRUE(summary.ok()) << summary.status().message();
      EXPECT_EQ(summary->outcome, outcome) << lanes << " lanes";
      EXPECT_EQ(summary->offset, offset) << lanes << " lanes";
    }
  }

  // Two raw files of noise, the same.
  void WriteTwins(size_t size) {
    std::mt19937_64 random(1);
    std::string bytes(size / 8 * 8 + 8, '\0');
    for (size_t i = 0; i < size; i += 8) {
      const uint64_t word = random();
      std::memcpy(&bytes[i], &word, sizeof(word));
    }
    bytes.resize(size);
    std::ofstream(first_, std::ios::binary) << bytes;
    std::ofstream(second_, std::ios::binary) << bytes;
  }

  static void Change(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 1));
  }

  const TemporaryDirectory directory_;
  const std::string first_ = directory_.path("first");
  const std::string second_ = directory_.path("second");

 private:
  static SourceImage Source(const FileHandle& file, const std::string& format) {
    EXPECT_NE(file.slot, NativeFiles::kNoSlot);
    return {.file = file, .format = format};
  }
};

TEST_F(CompareTest, FindsTwinsIdentical) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{513}, size_t{9 * kMebibyte + 77}}) {
    WriteTwins(size);
    ExpectOutcome({}, CompareOutcome::kIdentical, 0);
  }
}

TEST_F(CompareTest, FindsTheFirstSectorThatDiffers) {
  for (const uint64_t offset : {0ull, 511ull, 512ull, 3ull << 20, (5ull << 20) + 12345}) {
    WriteTwins(9 * kMebibyte + 77);
    Change(second_, offset);
    Change(first_, 9 * kMebibyte + 76);
    Change(first_, offset + 3 * kMebibyte);
    ExpectOutcome({}, CompareOutcome::kContentMismatch, offset / 512 * 512);
  }
}

TEST_F(CompareTest, TakesZeroesBeyondTheEndOfTheShorterDiskForTheSame) {
  WriteTwins(2 * kMebibyte + 512);
  std::filesystem::resize_file(second_, 1ull << 40);
  ExpectOutcome({}, CompareOutcome::kIdentical, 0);
  Change(second_, (7ull << 30) + 1);
  ExpectOutcome({}, CompareOutcome::kContentMismatch, 7ull << 30);
}

TEST_F(CompareTest, RoundsSizesUpToSectors) {
  WriteTwins(1000);
  std::filesystem::resize_file(second_, 1024);
  const auto summary = Run({.strict = false});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->first_size, 1024u);
  EXPECT_EQ(summary->second_size, 1024u);
}

TEST_F(CompareTest, StrictlyWantsTheSameSize) {
  WriteTwins(kMebibyte);
  std::filesystem::resize_file(second_, 2 * kMebibyte);
  ExpectOutcome({.strict = true}, CompareOutcome::kSizeMismatch, 0);
}

TEST_F(CompareTest, StrictlyWantsTheSameHoles) {
  for (const std::string& path : {first_, second_}) {
    std::ofstream(path, std::ios::binary) << "begin";
    std::filesystem::resize_file(path, 8 * kMebibyte);
  }
  ExpectOutcome({.strict = true}, CompareOutcome::kIdentical, 0);
  std::fstream file(second_, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(5 * kMebibyte));
  file << std::string(kMebibyte, '\0');
  file.close();
  ExpectOutcome({}, CompareOutcome::kIdentical, 0);
  ExpectOutcome({.strict = true}, CompareOutcome::kStatusMismatch, 5 * kMebibyte);
}

TEST_F(CompareTest, StrictlyComparesBytesBeforeTheHoleThatDiffers) {
  WriteTwins(3 * kMebibyte);
  std::filesystem::resize_file(first_, 4 * kMebibyte);
  std::filesystem::resize_file(second_, 4 * kMebibyte);
  Change(first_, 2 * kMebibyte + 512);
  Change(second_, 4 * kMebibyte - 1);
  ExpectOutcome({.strict = true}, CompareOutcome::kContentMismatch, 2 * kMebibyte + 512);
}

// Reads of one file fail from an offset on.
NativeFiles::FaultHook FailReads(uint32_t slot, uint64_t offset) {
  return [=](const NativeRequest& request) -> std::optional<IoResult> {
    if (request.opcode != abi::Opcode::kRead || request.slot != slot) return std::nullopt;
    if (request.offset + request.length <= offset) return std::nullopt;
    return IoResult{.status = IoStatus::kIoError};
  };
}

TEST_F(CompareTest, SaysWhichImageCannotBeRead) {
  WriteTwins(9 * kMebibyte);
  const auto summary = Run({.lanes = 2, .fault = FailReads(1, 4 * kMebibyte)});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->outcome, CompareOutcome::kReadFailed);
  EXPECT_EQ(summary->offset, 4 * kMebibyte);
  EXPECT_EQ(summary->failed_image, 2u);
  EXPECT_THAT(summary->failure.message(), HasSubstr("cannot read the image at offset 4194304"));
}

TEST_F(CompareTest, PrefersAMismatchBeforeWhatCannotBeRead) {
  WriteTwins(9 * kMebibyte);
  Change(first_, 2 * kMebibyte);
  ExpectOutcome({.fault = FailReads(0, 4 * kMebibyte)}, CompareOutcome::kContentMismatch,
                2 * kMebibyte);
}

TEST_F(CompareTest, FailsWhereAnImageIsNotOfItsFormat) {
  WriteTwins(kMebibyte);
  const auto summary = Run({.second_format = "qcow2"});
  ASSERT_FALSE(summary.ok());
  EXPECT_THAT(summary.status().message(), HasSubstr("second image: qcow2:"));
}

// Each way to store a disk, compared with the raw disk and with one that differs late.
TEST_F(CompareTest, LooksIntoImagesByQemuImg) {
  if (!HaveQemuImg()) GTEST_SKIP() << "no qemu-img";
  WriteSampleDisk(first_, 6 * kMebibyte);
  const std::string changed = directory_.path("changed");
  std::filesystem::copy_file(first_, changed);
  Change(changed, 6 * kMebibyte - 1);
  for (const char* options :
       {"-o compat=1.1", "-c", "-c -o compression_type=zstd", "-o cluster_size=512",
        "-c -o cluster_size=2M", "-o extended_l2=on", "-o preallocation=metadata"}) {
    SCOPED_TRACE(options);
    for (const std::string& source : {first_, changed}) {
      directory_.Run(std::string("qemu-img convert -f raw -O qcow2 ") + options + " " + source +
                     " " + second_);
      const bool same = source == first_;
      ExpectOutcome({.second_format = "qcow2"},
                    same ? CompareOutcome::kIdentical : CompareOutcome::kContentMismatch,
                    same ? 0 : 6 * kMebibyte - 512);
    }
  }
}

}  // namespace
}  // namespace hotcell::guest
