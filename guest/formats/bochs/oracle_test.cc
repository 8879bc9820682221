// Images made by Bochs' own tool, read as qemu-img reads them.
#include "guest/formats/testing/oracle.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "guest/formats/testing/qemu_img.h"

namespace hotcell::guest {
namespace {

struct Variant {
  std::string name;
  std::string script;  // makes image.bochs, of source.raw if it has a disk
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

constexpr char kConvert[] =
    "bximage -func=convert -imgmode=growing -q source.raw image.bochs > /dev/null\n";

// Version 1 has no time stamp before the disk's size.
constexpr char kMakeVersion1[] =
    "dd if=image.bochs of=size bs=1 skip=88 count=8 status=none\n"
    "dd if=size of=image.bochs bs=1 seek=84 conv=notrunc status=none\n"
    "printf '\\0\\0\\001' | dd of=image.bochs bs=1 seek=64 conv=notrunc status=none\n";

class BochsOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed (qemu-utils)";
    if (std::system("command -v bximage > /dev/null") != 0) {
      GTEST_SKIP() << "bximage is not installed (bximage)";
    }
    // A whole number of cylinders, as bximage wants it.
    WriteSampleDisk(directory_.path("source.raw"), 24 * 16 * 63 * 512);
    directory_.Run(GetParam().script);
  }

  const TemporaryDirectory directory_;
};

TEST_P(BochsOracleTest, ReadsWhatQemuImgReads) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.bochs", "bochs"), "");
}

TEST_P(BochsOracleTest, IsFoundByProbing) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.bochs", ""), "");
}

TEST_P(BochsOracleTest, DescribesWhatQemuImgDescribes) {
  auto described = DescribedInfo(directory_, "image.bochs", "bochs");
  described.erase("dirty-flag");  // which qemu-img does not know of this format
  EXPECT_EQ(described, QemuImgInfo(directory_, "image.bochs", "bochs"));
}

INSTANTIATE_TEST_SUITE_P(
    Bochs, BochsOracleTest,
    testing::Values(
        Variant{"growing", kConvert}, Variant{"version_1", std::string(kConvert) + kMakeVersion1},
        Variant{"empty",
                "bximage -func=create -hd=300 -imgmode=growing -q image.bochs > /dev/null"},
        // Larger disks have larger extents.
        Variant{"large",
                "truncate -s 209534976 source.raw\n"
                "printf data | dd of=source.raw bs=1 seek=200000000 conv=notrunc status=none\n" +
                    std::string(kConvert)}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest
