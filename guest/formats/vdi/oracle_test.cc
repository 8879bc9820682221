// VDI images by qemu-img read back, and ours judged by it.
#include <gtest/gtest.h>

#include <ostream>

#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/testing/testing_convert.h"

namespace hotcell::guest {
namespace {

struct Variant {
  std::string name;
  std::vector<FormatOption> options;
  uint64_t size = 0;
  uint64_t sparse_size = 4096;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class VdiOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed (qemu-utils)";
    WriteSampleDisk(directory_.path("source.raw"), GetParam().size);
  }

  void Convert(TestConversion conversion) {
    conversion.source = directory_.path(conversion.source);
    conversion.target = directory_.path(conversion.target);
    const auto result = RunConversion(conversion);
    ASSERT_TRUE(result.ok()) << result.status().message();
  }

  const TemporaryDirectory directory_;
};

TEST_P(VdiOracleTest, ReadsWhatQemuImgWrote) {
  std::string options;
  for (const auto& [key, value] : GetParam().options) options += " -o " + key + "=" + value;
  directory_.Run("qemu-img convert -f raw -O vdi" + options + " source.raw image.vdi");

  Convert({.source = "image.vdi", .target = "back.raw", .lanes = 3});

  directory_.Run("cmp source.raw back.raw >&2");
}

TEST_P(VdiOracleTest, WritesWhatQemuImgReads) {
  Convert({.source = "source.raw",
           .source_format = "raw",
           .target = "ours.vdi",
           .target_format = "vdi",
           .options = GetParam().options,
           .sparse_size = GetParam().sparse_size,
           .lanes = 3});

  directory_.Run(
      "qemu-img check -q -f vdi ours.vdi >&2\n"
      "qemu-img compare -f raw -F vdi source.raw ours.vdi >&2");
}

TEST_P(VdiOracleTest, WritesTheSameWithAnyNumberOfLanes) {
  for (const uint32_t lanes : {1, 4}) {
    // The ID follows from the name.
    const std::string directory = std::to_string(lanes);
    directory_.Run("mkdir " + directory);
    Convert({.source = "source.raw",
             .source_format = "raw",
             .target = directory + "/ours.vdi",
             .target_format = "vdi",
             .options = GetParam().options,
             .sparse_size = GetParam().sparse_size,
             .lanes = lanes});
  }
  directory_.Run("cmp 1/ours.vdi 4/ours.vdi >&2");
}

INSTANTIATE_TEST_SUITE_P(Vdi, VdiOracleTest,
                         testing::Values(Variant{"dynamic", {}, 20 << 20},
                                         Variant{"odd", {}, (17 << 20) + 512 * 37},
                                         Variant{"empty", {}, 0}, Variant{"one_sector", {}, 512},
                                         Variant{"everything", {}, 9 << 20, 0},
                                         Variant{"fixed", {{"static", "on"}}, (17 << 20) + 512}),
                         [](const auto& test) { return test.param.name; });

TEST(VdiBigDiskTest, IsMappedBeyondSixtyFourGiB) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed (qemu-utils)";
  const TemporaryDirectory directory;
  directory.Run(
      "qemu-img create -q -f raw source.raw 100G\n"
      "qemu-io -f raw -c 'write -P 1 0 1000k' -c 'write -P 2 4294963200 3M' "
      "-c 'write -P 3 70G 70000' -c 'write -P 4 107374178304 4096' source.raw >/dev/null");
  const auto written = RunConversion({.source = directory.path("source.raw"),
                                      .source_format = "raw",
                                      .target = directory.path("ours.vdi"),
                                      .target_format = "vdi",
                                      .lanes = 2});
  ASSERT_TRUE(written.ok()) << written.status().message();
  directory.Run(
      "qemu-img check -q -f vdi ours.vdi >&2\n"
      "qemu-img compare -f raw -F vdi source.raw ours.vdi >&2");

  const auto read = RunConversion(
      {.source = directory.path("ours.vdi"), .target = directory.path("back.raw"), .lanes = 2});
  ASSERT_TRUE(read.ok()) << read.status().message();
  directory.Run("qemu-img compare -s -f raw -F raw source.raw back.raw >&2");
}

}  // namespace
}  // namespace hotcell::guest
