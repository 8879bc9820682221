// Conversions that need no other program to judge them.
#include "guest/ops/convert.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/alignment.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/testing/testing_convert.h"

namespace hotcell::guest {
namespace {

using testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

uint64_t AllocatedBytes(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

class ConvertTest : public testing::Test {
 protected:
  TestConversion ToRaw() { return {.source = source_, .source_format = "raw", .target = target_}; }
  TestConversion ToQcow2() {
    TestConversion conversion = ToRaw();
    conversion.target_format = "qcow2";
    return conversion;
  }
  // The target, read back as `format`, must be the source.
  void ExpectRoundTrip(const std::string& format) {
    const std::string back = directory_.path("back");
    const auto result =
        RunConversion({.source = target_, .source_format = format, .target = back, .lanes = 2});
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_TRUE(ReadFile(back) == ReadFile(source_));
  }

  const TemporaryDirectory directory_;
  const std::string source_ = directory_.path("source");
  const std::string target_ = directory_.path("target");
};

TEST_F(ConvertTest, RoundsRawSizesUpToWholeSectors) {
  for (const size_t size : {0, 1, 511, 512, 513, 1048577}) {
    WriteFile(source_, std::string(size, 'x'));
    const auto result = RunConversion(ToRaw());
    ASSERT_TRUE(result.ok()) << result.status().message();
    std::string expected(size, 'x');
    expected.resize(AlignUp(size, 512));
    EXPECT_TRUE(ReadFile(target_) == expected) << size;
    EXPECT_EQ(result->virtual_size, expected.size());
  }
}

TEST_F(ConvertTest, WarnsOfAResultThatWouldBeTakenForAnotherImage) {
  WriteFile(source_, std::string("QFI\xfb\0\0\0\3", 8) + std::string(1 << 20, '\0'));
  TestConversion conversion = ToRaw();
  const auto raw = RunConversion(conversion);
  ASSERT_TRUE(raw.ok());
  EXPECT_THAT(raw->warnings, testing::ElementsAre(
                                 "the disk begins as a qcow2 image does; open the result only with "
                                 "its format named (-f raw)"));

  conversion.copy_offload = true;
  const auto copied = RunConversion(conversion);
  ASSERT_TRUE(copied.ok());
  EXPECT_EQ(copied->warnings, raw->warnings);

  conversion.copy_offload = false;
  conversion.target_format = "vpc";
  conversion.options = {{"subformat", "fixed"}};
  const auto fixed = RunConversion(conversion);
  ASSERT_TRUE(fixed.ok());
  EXPECT_THAT(fixed->warnings, testing::ElementsAre(HasSubstr("(-f vpc)")));

  const auto qcow2 = RunConversion(ToQcow2());
  ASSERT_TRUE(qcow2.ok());
  EXPECT_THAT(qcow2->warnings, testing::IsEmpty());
}

TEST_F(ConvertTest, LeavesZeroesOutOfRawUnlessToldToWriteThem) {
  WriteFile(source_, std::string(3 << 20, '\0') + std::string(1 << 20, 'x'));
  TestConversion conversion = ToRaw();
  const auto sparse = RunConversion(conversion);
  ASSERT_TRUE(sparse.ok());
  EXPECT_EQ(sparse->zero_bytes, 3u << 20);
  EXPECT_EQ(sparse->bytes_written, 1u << 20);
  EXPECT_LE(AllocatedBytes(target_), 1u << 20);
  EXPECT_TRUE(ReadFile(target_) == ReadFile(source_));

  conversion.sparse_size = 0;
  ASSERT_TRUE(RunConversion(conversion).ok());
  EXPECT_EQ(AllocatedBytes(target_), 4u << 20);

  conversion.sparse_size = 4096;
  conversion.options = {{"preallocation", "full"}};
  ASSERT_TRUE(RunConversion(conversion).ok());
  EXPECT_EQ(AllocatedBytes(target_), 4u << 20);
  EXPECT_TRUE(ReadFile(target_) == ReadFile(source_));
}

TEST_F(ConvertTest, WritesImagesOneAfterTheOther) {
  const std::string second = directory_.path("second");
  WriteFile(source_, std::string(1000, 'x'));
  WriteFile(second, std::string(3 << 20, 'y'));
  TestConversion conversion = ToRaw();
  conversion.more_sources = {second, source_};
  for (const uint32_t lanes : {1, 3}) {
    conversion.lanes = lanes;
    const auto result = RunConversion(conversion);
    ASSERT_TRUE(result.ok()) << result.status().message();
    const std::string padded = std::string(1000, 'x') + std::string(24, '\0');
    EXPECT_TRUE(ReadFile(target_) == padded + std::string(3 << 20, 'y') + padded);
  }
}

TEST_F(ConvertTest, WritesAWindowOfAnImage) {
  std::string content;
  for (int i = 0; i < 300000; ++i) content += static_cast<char>(i / 1000);
  WriteFile(source_, content);
  TestConversion conversion = ToRaw();
  conversion.window = {{12345, 245345}};
  ASSERT_TRUE(RunConversion(conversion).ok());
  std::string expected = content.substr(12345, 233000);
  expected.resize(AlignUp(233000, 512));
  EXPECT_TRUE(ReadFile(target_) == expected);
}

TEST_F(ConvertTest, CreatesADiskThatHoldsNothing) {
  TestConversion conversion = {.size = 5 << 20, .target = target_};
  const auto result = RunConversion(conversion);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(ReadFile(target_) == std::string(5 << 20, '\0'));
  EXPECT_EQ(AllocatedBytes(target_), 0u);

  conversion.options = {{"preallocation", "full"}};
  ASSERT_TRUE(RunConversion(conversion).ok());
  EXPECT_EQ(AllocatedBytes(target_), 5u << 20);
}

TEST_F(ConvertTest, WritesNoZeroesIntoATargetThatIsKnownToBeZero) {
  WriteFile(source_, std::string(1 << 20, '\0') + std::string(1 << 20, 'x'));
  WriteFile(target_, std::string(2 << 20, 'o'));
  TestConversion conversion = ToRaw();
  conversion.target_exists = true;
  conversion.target_is_zero = true;
  ASSERT_TRUE(RunConversion(conversion).ok());
  EXPECT_TRUE(ReadFile(target_) == std::string(1 << 20, 'o') + std::string(1 << 20, 'x'));
}

TEST_F(ConvertTest, CopiesWithoutALookWhatIsDataInTheSource) {
  WriteFile(source_, std::string(1 << 20, 'x') + std::string(1 << 20, '\0') +
                         std::string((1 << 20) + 700, 'y'));
  std::filesystem::resize_file(source_, 5 << 20);  // ends in a hole
  for (const char* format : {"raw", "qcow2"}) {
    for (const uint32_t lanes : {1, 2}) {
      std::atomic<uint64_t> copied = 0;
      std::atomic<uint64_t> read = 0;
      TestConversion conversion = ToRaw();
      conversion.target_format = format;
      conversion.lanes = lanes;
      conversion.copy_offload = true;
      conversion.fault = [&](const NativeRequest& request) -> std::optional<IoResult> {
        if (request.opcode == abi::Opcode::kCopy) copied += request.length;
        if (request.opcode == abi::Opcode::kRead) read += request.length;
        return std::nullopt;
      };
      const auto result = RunConversion(conversion);
      ASSERT_TRUE(result.ok()) << result.status().message();
      // The file system's blocks are data or holes.
      EXPECT_EQ(copied, (3u << 20) + 4096) << format;
      // A raw target is looked at where programs probe it: at its start, and at its end, a hole.
      EXPECT_EQ(read, format == std::string_view("raw") ? 64u << 10 : 0u) << format;
      EXPECT_EQ(result->bytes_read, copied);
      ExpectRoundTrip(format);
    }
  }
}

TEST_F(ConvertTest, LeavesOutHolesHoweverLongZeroesHaveToBe) {
  constexpr uint64_t kSize = 4 << 20;
  WriteFile(source_, std::string(64 << 10, 'x') + std::string(64 << 10, '\0'));
  std::filesystem::resize_file(source_, kSize - 4096);
  std::ofstream(source_, std::ios::binary | std::ios::app) << std::string(4096, 'y');
  ASSERT_EQ(AllocatedBytes(source_), 132u << 10);
  for (const char* format : {"raw", "qcow2"}) {
    for (const bool copy : {false, true}) {
      TestConversion conversion = ToRaw();
      conversion.target_format = format;
      conversion.copy_offload = copy;
      conversion.sparse_size = 16 << 20;
      const auto result = RunConversion(conversion);
      ASSERT_TRUE(result.ok()) << result.status().message();
      EXPECT_EQ(result->bytes_written, 132u << 10) << format;
      ExpectRoundTrip(format);
    }
  }
}

TEST_F(ConvertTest, CopiesAroundCompressedClustersAndZeroes) {
  std::string content;
  std::minstd_rand random(1);
  for (int i = 0; i < 64; ++i) {
    std::string cluster(64 << 10, static_cast<char>('a' + i));
    if (i % 3 == 0) {
      for (char& c : cluster) c = static_cast<char>(random());
    } else if (i % 3 == 1) {
      cluster.assign(cluster.size(), '\0');
    }
    content += cluster;
  }
  WriteFile(source_, content);
  TestConversion conversion = ToQcow2();
  conversion.compress = true;  // random clusters stay as they are
  ASSERT_TRUE(RunConversion(conversion).ok());
  const std::string back = directory_.path("copied");
  for (const uint64_t sparse : {4096, 0}) {
    std::atomic<uint64_t> copies = 0;
    const auto result = RunConversion({
        .source = target_,
        .source_format = "qcow2",
        .target = back,
        .copy_offload = true,
        .sparse_size = sparse,
        .fault = [&](const NativeRequest& request) -> std::optional<IoResult> {
          if (request.opcode == abi::Opcode::kCopy) ++copies;
          return std::nullopt;
        },
    });
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_TRUE(ReadFile(back) == content);
    EXPECT_EQ(copies, 22u);
  }
}

TEST_F(ConvertTest, SaysThatTheFileEndsWithinWhatIsCopied) {
  WriteFile(source_, std::string(1 << 20, 'x'));
  TestConversion conversion = ToRaw();
  conversion.copy_offload = true;
  conversion.fault = [](const NativeRequest& request) -> std::optional<IoResult> {
    if (request.opcode == abi::Opcode::kCopy) return IoResult{.value = 1000};
    return std::nullopt;
  };
  const auto result = RunConversion(conversion);
  EXPECT_EQ(result.status().code(), Code::kCorruptImage);
  EXPECT_EQ(result.status().message(), "the file ends at offset 1000, within data of the disk");
}

TEST_F(ConvertTest, OverwritesAllOfAnExistingTarget) {
  WriteFile(source_, std::string(3 << 20, '\0') + std::string(1 << 20, 'x'));
  WriteFile(target_, std::string(5 << 20, 'o'));
  TestConversion conversion = ToRaw();
  conversion.target_exists = true;
  const auto result = RunConversion(conversion);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(ReadFile(target_) == ReadFile(source_) + std::string(1 << 20, 'o'));
}

TEST_F(ConvertTest, RefusesAnExistingTargetThatIsTooSmall) {
  WriteFile(source_, std::string(2048, 'x'));
  WriteFile(target_, std::string(1024, 'o'));
  TestConversion conversion = ToRaw();
  conversion.target_exists = true;
  const auto result = RunConversion(conversion);
  EXPECT_EQ(result.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(result.status().message(),
            "output file is smaller than input file: 1024 bytes, but 2048 are needed");
  EXPECT_EQ(ReadFile(target_), std::string(1024, 'o'));
}

TEST_F(ConvertTest, NamesWhatCannotBeDone) {
  WriteFile(source_, std::string(2048, 'x'));
  struct Case {
    TestConversion conversion;
    Code code;
    std::string message;
    Remedy remedy = Remedy::kNone;
  };
  std::vector<Case> cases(7);
  for (Case& c : cases) c.conversion = ToQcow2();
  cases[0].conversion.target_format = "vmdx";
  cases[0].message = "unknown output format 'vmdx'";
  cases[1].conversion.options = {{"foo", "1"}};
  cases[1].message = "unknown option 'foo' for format qcow2; it knows cluster_size,";
  cases[1].remedy = Remedy::kSeeUsage;
  cases[2].conversion.options = {{"cluster_size", "3000"}};
  cases[2].message = "between 512 and 2048k";
  cases[3].conversion.options = {{"compat", "0.10"}, {"compression_type", "zstd"}};
  cases[3].message = "needs compat=1.1";
  cases[4].conversion.options = {{"preallocation", "metadata"}};
  cases[4].conversion.compress = true;
  cases[4].message = "compression and preallocation";
  cases[5].conversion.target_exists = true;
  cases[5].message = "writing into an existing image is not done";
  cases[5].remedy = Remedy::kMakeAnew;
  cases[6].conversion.max_virtual_size = 1024;
  cases[6].message = "2048 bytes, more than the limit of 1024";
  cases[6].remedy = Remedy::kRaiseVirtualSize;
  for (const Case& c : cases) {
    const auto result = RunConversion(c.conversion);
    ASSERT_FALSE(result.ok()) << c.message;
    EXPECT_THAT(result.status().message(), HasSubstr(c.message));
    EXPECT_EQ(result.status().remedy(), c.remedy);
  }
}

TEST_F(ConvertTest, RefusesDisksThatSmallClustersCannotMap) {
  WriteFile(source_, "x");
  std::filesystem::resize_file(source_, 129ull << 30);
  TestConversion conversion = ToQcow2();
  conversion.options = {{"cluster_size", "512"}};
  const auto result = RunConversion(conversion);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("use a larger cluster_size"));
}

TEST_F(ConvertTest, GivesTheSameFileForAnyNumberOfLanes) {
  WriteSampleDisk(source_, 24 << 20);
  for (const bool compress : {false, true}) {
    TestConversion conversion = ToQcow2();
    conversion.compress = compress;
    ASSERT_TRUE(RunConversion(conversion).ok());
    const std::string expected = ReadFile(target_);
    for (const uint32_t lanes : {2, 3, 8}) {
      conversion.lanes = lanes;
      ASSERT_TRUE(RunConversion(conversion).ok());
      EXPECT_TRUE(ReadFile(target_) == expected) << lanes << " lanes, compress " << compress;
    }
  }
}

TEST_F(ConvertTest, WorksWithTheFewestAndSmallestBuffers) {
  WriteSampleDisk(source_, 5 << 20);
  TestConversion conversion = ToQcow2();
  conversion.lanes = 2;
  conversion.buffer_count = 5;
  conversion.buffer_size = 64 << 10;
  for (const std::string cluster_size : {"512", "64k", "2M"}) {
    conversion.options = {{"cluster_size", cluster_size}};
    ASSERT_TRUE(RunConversion(conversion).ok());
    ExpectRoundTrip("qcow2");
  }
  conversion.options = {};
  conversion.compress = true;
  ASSERT_TRUE(RunConversion(conversion).ok());
  ExpectRoundTrip("qcow2");
  conversion.options = {{"cluster_size", "128k"}};
  EXPECT_THAT(RunConversion(conversion).status().message(), HasSubstr("cannot be compressed"));
  conversion.buffer_count = 4;
  EXPECT_THAT(RunConversion(conversion).status().message(), HasSubstr("a lane has 4 buffers"));
}

TEST_F(ConvertTest, SkipsHolesOfAHugeDiskQuickly) {
  WriteFile(source_, "start");
  std::filesystem::resize_file(source_, 8ull << 40);
  std::fstream(source_, std::ios::in | std::ios::out | std::ios::binary)
      .seekp((5ull << 40) + 12345)
      .write("middle", 6);
  TestConversion conversion = ToQcow2();
  conversion.lanes = 2;
  const auto result = RunConversion(conversion);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->bytes_written, 8192u);
  EXPECT_LT(std::filesystem::file_size(target_), 4u << 20);
}

// A request of the given number fails, and reads after it: those that were ahead of need may be
// tried again. The conversion must end with an error, not hang, and leave nothing under way (which
// the native channel checks).
class ConvertFaultTest : public ConvertTest, public testing::WithParamInterface<bool> {};

TEST_P(ConvertFaultTest, EndsWithOneErrorWhicheverRequestFails) {
  WriteSampleDisk(source_, 5 << 20);
  TestConversion make = ToQcow2();
  make.options = {{"cluster_size", "4k"}};
  make.compress = GetParam();
  ASSERT_TRUE(RunConversion(make).ok());
  const std::string image = directory_.path("image");
  std::filesystem::rename(target_, image);

  uint64_t requests = 0;
  for (uint64_t fail_at = 0; fail_at <= requests; ++fail_at) {
    std::atomic<uint64_t> count = 0;
    TestConversion conversion = make;
    conversion.source = image;
    conversion.source_format = "qcow2";
    conversion.lanes = 3;
    std::atomic<bool> broken = false;
    conversion.fault = [&](const NativeRequest& request) -> std::optional<IoResult> {
      const bool is_it = ++count == fail_at;
      if (is_it) broken = true;
      if (is_it || (broken && request.opcode == abi::Opcode::kRead)) {
        return IoResult{.status = IoStatus::kNoSpace};
      }
      return std::nullopt;
    };
    const auto result = RunConversion(conversion);
    if (fail_at == 0) {
      ASSERT_TRUE(result.ok()) << result.status().message();
      // Lanes take their chunks in different orders, so the number varies a little.
      requests = count * 9 / 10;
      continue;
    }
    ASSERT_FALSE(result.ok()) << fail_at;
    ASSERT_FALSE(result.status().message().empty());
  }
  EXPECT_GT(requests, 20u);
}

INSTANTIATE_TEST_SUITE_P(PlainAndCompressed, ConvertFaultTest, testing::Bool());

}  // namespace
}  // namespace hotcell::guest
