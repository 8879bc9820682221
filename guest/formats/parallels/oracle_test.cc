// Parallels images by qemu-img read back, and ours judged by it.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <ostream>

#include "guest/formats/parallels/parallels.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/testing/testing_convert.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

struct Variant {
  std::string name;
  std::vector<FormatOption> options;
  uint64_t size = 0;
  uint64_t sparse_size = 4096;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class ParallelsOracleTest : public testing::TestWithParam<Variant> {
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

  std::string QemuImgConverts(const std::string& target) const {
    std::string options;
    for (const auto& [key, value] : GetParam().options) options += " -o " + key + "=" + value;
    return "qemu-img convert -f raw -O parallels" + options + " source.raw " + target + "\n";
  }

  // QEMU 10 rounds where the data begins by an arithmetic that only powers of two suit. Where
  // clusters have another size it takes its own images for damaged.
  bool QemuImgChecksThisClusterSize() const {
    const std::string verdict =
        directory_.Run(QemuImgConverts("sound.parallels") +
                       "qemu-img check -q -f parallels sound.parallels >&2 && echo sound || true");
    return verdict == "sound\n";
  }

  const TemporaryDirectory directory_;
};

TEST_P(ParallelsOracleTest, ReadsWhatQemuImgWrote) {
  directory_.Run(QemuImgConverts("image.parallels"));

  Convert({.source = "image.parallels", .target = "back.raw", .lanes = 3});

  directory_.Run("cmp source.raw back.raw >&2");
}

TEST_P(ParallelsOracleTest, WritesWhatQemuImgReads) {
  Convert({.source = "source.raw",
           .source_format = "raw",
           .target = "ours.parallels",
           .target_format = "parallels",
           .options = GetParam().options,
           .sparse_size = GetParam().sparse_size,
           .lanes = 3});

  directory_.Run("qemu-img compare -f raw -F parallels source.raw ours.parallels >&2");
  if (!QemuImgChecksThisClusterSize()) GTEST_SKIP() << "qemu-img takes its own images for damaged";
  directory_.Run("qemu-img check -q -f parallels ours.parallels >&2");
}

TEST_P(ParallelsOracleTest, WritesTheSameWithAnyNumberOfLanes) {
  for (const uint32_t lanes : {1, 4}) {
    Convert({.source = "source.raw",
             .source_format = "raw",
             .target = "lanes" + std::to_string(lanes) + ".parallels",
             .target_format = "parallels",
             .options = GetParam().options,
             .sparse_size = GetParam().sparse_size,
             .lanes = lanes});
  }
  directory_.Run("cmp lanes1.parallels lanes4.parallels >&2");
}

// What `qemu-img check` counts, as it prints it.
std::string Figures(const CheckResult& result) {
  return "image-end-offset " + std::to_string(*result.image_end_offset) + "\ntotal-clusters " +
         std::to_string(result.total_clusters) + "\nallocated-clusters " +
         std::to_string(result.allocated_clusters) + "\nfragmented-clusters " +
         std::to_string(result.fragmented_clusters) + "\nleaks " + std::to_string(result.leaks) +
         "\ncorruptions " + std::to_string(result.corruptions) + "\n";
}

TEST_P(ParallelsOracleTest, ChecksAsQemuImgDoes) {
  if (!QemuImgChecksThisClusterSize()) GTEST_SKIP() << "qemu-img takes its own images for damaged";
  directory_.Run(QemuImgConverts("image.parallels") + "truncate -s +3000000 image.parallels");
  const std::string expected = directory_.Run(
      "qemu-img check -f parallels --output=json image.parallels > check.json || [ $? = 3 ]\n"
      "for key in image-end-offset total-clusters allocated-clusters fragmented-clusters leaks "
      "corruptions; do\n"
      "  value=$(sed -n \"s/.*\\\"$key\\\": \\([0-9]*\\).*/\\1/p\" check.json)\n"
      "  echo $key ${value:-0}\n"
      "done");
  NativeFiles files;
  NativeChannel io(files);

  const auto result =
      CheckParallels(io, files.AddPath(directory_.path("image.parallels"), O_RDONLY), {});

  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(Figures(*result), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Parallels, ParallelsOracleTest,
    testing::Values(Variant{"defaults", {}, 20 << 20}, Variant{"odd", {}, (17 << 20) + 512 * 37},
                    Variant{"empty", {}, 0}, Variant{"one_sector", {}, 512},
                    Variant{"everything", {}, 9 << 20, 0},
                    Variant{"clusters_512", {{"cluster_size", "512"}}, 5 << 20},
                    Variant{"clusters_63_sectors", {{"cluster_size", "32256"}}, 17 << 20},
                    Variant{"clusters_64k", {{"cluster_size", "64k"}}, 17 << 20},
                    Variant{"clusters_3m", {{"cluster_size", "3M"}}, 17 << 20},
                    Variant{"clusters_8m", {{"cluster_size", "8M"}}, 17 << 20},
                    Variant{"clusters_rounded", {{"cluster_size", "1000"}}, 3 << 20}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest
