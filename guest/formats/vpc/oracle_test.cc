// VHDs by qemu-img and ours, judged by qemu-img and 7-Zip.
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
  Options options;
  std::vector<uint64_t> sizes = {0, 512, 5ull << 20, (9ull << 20) + 66048};
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class VpcOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  }

  std::string QemuOptions() const {
    std::string text;
    for (const auto& [key, value] : GetParam().options) text += " -o " + key + "=" + value;
    return text;
  }

  const TemporaryDirectory directory_;
};

TEST_P(VpcOracleTest, ReadsWhatQemuImgWrote) {
  for (const uint64_t size : GetParam().sizes) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    directory_.Run("qemu-img convert -f raw -O vpc" + QemuOptions() + " source.raw image.vhd\n" +
                   "qemu-img convert -f vpc -O raw image.vhd expected.raw");
    NativeFiles files;
    NativeChannel io(files);
    const FileHandle file = files.AddPath(directory_.path("image.vhd"), O_RDONLY);

    const auto chain = ImageChain::Open(io, {.file = file, .format = "vpc"}, {});
    ASSERT_TRUE(chain.ok()) << chain.status().message();
    const auto difference =
        DiskReader(io, **chain)
            .CompareWith(directory_.path("expected.raw"), (*chain)->virtual_size());
    ASSERT_TRUE(difference.ok()) << difference.status().message();
    EXPECT_EQ(*difference, "") << size;
    const auto checked = FindFormat("vpc")->check(io, file, {});
    ASSERT_TRUE(checked.ok()) << checked.status().message();
    EXPECT_TRUE(checked->findings.empty()) << checked->findings.front().text;
  }
}

TEST_P(VpcOracleTest, WritesWhatOthersRead) {
  for (const uint64_t size : GetParam().sizes) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    directory_.Run("qemu-img convert -f raw -O vpc" + QemuOptions() + " source.raw theirs.vhd");
    const auto result = RunConversion({.source = directory_.path("source.raw"),
                                       .source_format = "raw",
                                       .target = directory_.path("ours.vhd"),
                                       .target_format = "vpc",
                                       .options = GetParam().options,
                                       .lanes = 3});
    ASSERT_TRUE(result.ok()) << result.status().message();

    // Strictly: the size, which may be larger than the source's, is the same as theirs.
    directory_.Run(
        "qemu-img compare -s -f vpc -F vpc ours.vhd theirs.vhd >&2 ||\n"
        "  qemu-img compare -f vpc -F vpc ours.vhd theirs.vhd >&2");
    directory_.Run("qemu-img convert -f vpc -O raw theirs.vhd expected.raw");
    if (!SevenZip().empty()) {
      directory_.Run("test ! -s expected.raw ||\n  " + SevenZip() +
                     " e -tvhd -so ours.vhd | cmp - expected.raw >&2");
    }
    NativeFiles files;
    NativeChannel io(files);
    const auto checked =
        FindFormat("vpc")->check(io, files.AddPath(directory_.path("ours.vhd"), O_RDONLY), {});
    ASSERT_TRUE(checked.ok()) << checked.status().message();
    EXPECT_TRUE(checked->findings.empty()) << checked->findings.front().text;
  }
}

TEST_P(VpcOracleTest, FileDoesNotDependOnTheNumberOfLanes) {
  WriteSampleDisk(directory_.path("source.raw"), 23 << 20);
  for (const uint32_t lanes : {1, 4}) {
    // The ID follows from the name.
    const std::string directory = std::to_string(lanes);
    directory_.Run("mkdir " + directory);
    const auto result = RunConversion({.source = directory_.path("source.raw"),
                                       .source_format = "raw",
                                       .target = directory_.path(directory + "/ours.vhd"),
                                       .target_format = "vpc",
                                       .options = GetParam().options,
                                       .lanes = lanes});
    ASSERT_TRUE(result.ok()) << result.status().message();
  }
  directory_.Run("cmp 1/ours.vhd 4/ours.vhd >&2");
}

INSTANTIATE_TEST_SUITE_P(
    Vpc, VpcOracleTest,
    testing::Values(Variant{"dynamic", {}}, Variant{"dynamic_forced", {{"force_size", "on"}}},
                    // qemu-img cannot open a fixed disk of no bytes that it has made.
                    Variant{"fixed", {{"subformat", "fixed"}}, {512, (9ull << 20) + 66048}},
                    Variant{"fixed_forced",
                            {{"subformat", "fixed"}, {"force_size", "on"}},
                            {512, (9ull << 20) + 66048}}),
    [](const auto& test) { return test.param.name; });

struct Refusal {
  std::string name;
  Options options;
  std::string error;
  bool compress = false;
  bool exists = false;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class VpcRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(VpcRefusalTest, NamesTheReason) {
  const TemporaryDirectory directory;
  directory.Run("truncate -s 1M source.raw; touch ours.vhd");
  const auto result = RunConversion({.source = directory.path("source.raw"),
                                     .source_format = "raw",
                                     .target = directory.path("ours.vhd"),
                                     .target_format = "vpc",
                                     .options = GetParam().options,
                                     .compress = GetParam().compress,
                                     .target_exists = GetParam().exists});
  EXPECT_NE(result.status().message().find(GetParam().error), std::string::npos)
      << result.status().message();
}

INSTANTIATE_TEST_SUITE_P(
    Vpc, VpcRefusalTest,
    testing::Values(
        Refusal{"compression", {}, "compression not supported", true},
        Refusal{"existing", {}, "writing into an existing image is not done", false, true},
        Refusal{"subformat", {{"subformat", "differencing"}}, "is not one of dynamic and fixed"},
        Refusal{"unknown", {{"blocks", "1"}}, "it knows subformat and force_size"}),
    [](const auto& test) { return test.param.name; });

TEST(VpcTooLargeTest, IsRefused) {
  const TemporaryDirectory directory;
  directory.Run("truncate -s 2041G source.raw");
  const auto result = RunConversion({.source = directory.path("source.raw"),
                                     .source_format = "raw",
                                     .target = directory.path("ours.vhd"),
                                     .target_format = "vpc"});
  EXPECT_NE(result.status().message().find("2040 GiB"), std::string::npos)
      << result.status().message();
}

}  // namespace
}  // namespace hotcell::guest
