// VHDX images by qemu-img and ours, judged by qemu-img and 7-Zip.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/formats/common/check.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/testing/testing_convert.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using Options = std::vector<FormatOption>;

struct Variant {
  std::string name;
  Options options = {};
  uint64_t sparse_size = 4096;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class VhdxOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  }

  std::string QemuOptions() const {
    std::string text = " -S " + std::to_string(GetParam().sparse_size);
    for (const auto& [key, value] : GetParam().options) text += " -o " + key + "=" + value;
    return text;
  }
  void ExpectSound(NativeFiles& files, const FileHandle& file) {
    NativeChannel io(files);
    const auto checked = FindFormat("vhdx")->check(io, file, {});
    ASSERT_TRUE(checked.ok()) << checked.status().message();
    EXPECT_TRUE(checked->findings.empty()) << checked->findings.front().text;
  }
  Result<ConvertSummary> ConvertTo(const std::string& target, uint32_t lanes) {
    return RunConversion({.source = directory_.path("source.raw"),
                          .source_format = "raw",
                          .target = directory_.path(target),
                          .target_format = "vhdx",
                          .options = GetParam().options,
                          .sparse_size = GetParam().sparse_size,
                          .lanes = lanes});
  }

  const TemporaryDirectory directory_;
};

// 7-Zip does not open disks that are no whole number of MiB. qemu-img makes no disk of no bytes
// that it can read.
constexpr uint64_t kSizes[] = {512, 5ull << 20, (19ull << 20) + 66048};

TEST_P(VhdxOracleTest, ReadsWhatQemuImgWrote) {
  for (const uint64_t size : kSizes) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    directory_.Run("qemu-img convert -f raw -O vhdx" + QemuOptions() + " source.raw image.vhdx");
    NativeFiles files;
    NativeChannel io(files);
    const FileHandle file = files.AddPath(directory_.path("image.vhdx"), O_RDONLY);

    const auto chain = ImageChain::Open(io, {.file = file, .format = {}}, {});
    ASSERT_TRUE(chain.ok()) << chain.status().message();
    EXPECT_EQ((*chain)->format(), "vhdx");
    const auto difference =
        DiskReader(io, **chain)
            .CompareWith(directory_.path("source.raw"), (*chain)->virtual_size());
    ASSERT_TRUE(difference.ok()) << difference.status().message();
    EXPECT_EQ(*difference, "") << size;
    ExpectSound(files, file);
  }
}

TEST_P(VhdxOracleTest, WritesWhatOthersRead) {
  for (const uint64_t size : kSizes) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    const auto result = ConvertTo("ours.vhdx", 3);
    ASSERT_TRUE(result.ok()) << result.status().message();

    directory_.Run(
        "qemu-img check -q -f vhdx ours.vhdx >&2\n"
        "qemu-img compare -f vhdx -F raw ours.vhdx source.raw >&2");
    if (size % (1 << 20) == 0 && !SevenZip().empty()) {
      directory_.Run(SevenZip() + " e -tvhdx -so ours.vhdx | cmp - source.raw >&2");
    }
    NativeFiles files;
    ExpectSound(files, files.AddPath(directory_.path("ours.vhdx"), O_RDONLY));
  }
}

TEST_P(VhdxOracleTest, FileDoesNotDependOnTheNumberOfLanes) {
  WriteSampleDisk(directory_.path("source.raw"), 23 << 20);
  for (const uint32_t lanes : {1, 4}) {
    // IDs follow from the name.
    const std::string directory = std::to_string(lanes);
    directory_.Run("mkdir " + directory);
    const auto result = ConvertTo(directory + "/ours.vhdx", lanes);
    ASSERT_TRUE(result.ok()) << result.status().message();
  }
  directory_.Run("cmp 1/ours.vhdx 4/ours.vhdx >&2");
}

INSTANTIATE_TEST_SUITE_P(Vhdx, VhdxOracleTest,
                         testing::Values(Variant{"dynamic"},
                                         Variant{"fixed", {{"subformat", "fixed"}}},
                                         Variant{"blocks_1m", {{"block_size", "1M"}}},
                                         Variant{"blocks_64m", {{"block_size", "64M"}}},
                                         Variant{"log_3m", {{"log_size", "2500k"}}},
                                         Variant{"everything", {}, 0}),
                         [](const auto& test) { return test.param.name; });

class VhdxBigTest : public VhdxOracleTest {};

// Beyond the first entry of a sector bitmap, which comes every 4 GiB.
TEST_P(VhdxBigTest, IsMappedBeyondAChunk) {
  directory_.Run(
      "qemu-img create -q -f raw source.raw 5G\n"
      "qemu-io -f raw -c 'write -P 1 0 1000k' -c 'write -P 2 4294963200 3M' -c 'write -P 4 "
      "5368705024 4096' source.raw >/dev/null");
  const auto result = ConvertTo("ours.vhdx", 2);
  ASSERT_TRUE(result.ok()) << result.status().message();
  directory_.Run(
      "qemu-img check -q -f vhdx ours.vhdx >&2\n"
      "qemu-img compare -f vhdx -F raw ours.vhdx source.raw >&2");
  const auto back = RunConversion(
      {.source = directory_.path("ours.vhdx"), .target = directory_.path("back.raw"), .lanes = 2});
  ASSERT_TRUE(back.ok()) << back.status().message();
  directory_.Run("qemu-img compare -f raw -F raw back.raw source.raw >&2");
}

INSTANTIATE_TEST_SUITE_P(Vhdx, VhdxBigTest,
                         testing::Values(Variant{"dynamic"}, Variant{"not_present",
                                                                     {{"block_state_zero", "off"},
                                                                      {"block_size", "1M"}}}),
                         [](const auto& test) { return test.param.name; });

struct Refusal {
  std::string name;
  Options options;
  std::string error;
  bool compress = false;
  bool exists = false;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class VhdxRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(VhdxRefusalTest, NamesTheReason) {
  const TemporaryDirectory directory;
  directory.Run("truncate -s 1M source.raw; touch ours.vhdx");
  const auto result = RunConversion({.source = directory.path("source.raw"),
                                     .source_format = "raw",
                                     .target = directory.path("ours.vhdx"),
                                     .target_format = "vhdx",
                                     .options = GetParam().options,
                                     .compress = GetParam().compress,
                                     .target_exists = GetParam().exists});
  EXPECT_NE(result.status().message().find(GetParam().error), std::string::npos)
      << result.status().message();
}

INSTANTIATE_TEST_SUITE_P(
    Vhdx, VhdxRefusalTest,
    testing::Values(Refusal{"compression", {}, "compression not supported", true},
                    Refusal{
                        "existing", {}, "writing into an existing image is not done", false, true},
                    Refusal{"block_size_3m", {{"block_size", "3M"}}, "power of two"},
                    Refusal{"block_size_512m", {{"block_size", "512M"}}, "between 1M and 256M"},
                    Refusal{"block_size_64k", {{"block_size", "64k"}}, "between 1M and 256M"},
                    Refusal{"log_size_0", {{"log_size", "0"}}, "log_size must be"},
                    Refusal{"log_size_8g", {{"log_size", "8G"}}, "log_size must be"}),
    [](const auto& test) { return test.param.name; });

TEST(VhdxTooLargeTest, IsRefused) {
  const TemporaryDirectory directory;
  if (directory.Run("truncate -s 65T source.raw 2>/dev/null && echo made || true") != "made\n") {
    GTEST_SKIP() << "the file system has no files of 65 TiB";
  }
  const auto result = RunConversion({.source = directory.path("source.raw"),
                                     .source_format = "raw",
                                     .target = directory.path("ours.vhdx"),
                                     .target_format = "vhdx",
                                     .max_virtual_size = 0});
  EXPECT_NE(result.status().message().find("64 TiB"), std::string::npos)
      << result.status().message();
}

}  // namespace
}  // namespace hotcell::guest
