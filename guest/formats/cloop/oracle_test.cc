// Images made by cloop's own tool, read as qemu-img reads them.
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
  uint64_t size;        // of the disk, bytes
  std::string options;  // of create_compressed_fs
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class CloopOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed (qemu-utils)";
    if (std::system("command -v create_compressed_fs > /dev/null") != 0) {
      GTEST_SKIP() << "create_compressed_fs is not installed (cloop-utils)";
    }
    WriteSampleDisk(directory_.path("source.raw"), GetParam().size);
    directory_.Run("create_compressed_fs -q " + GetParam().options +
                   " source.raw image.cloop > /dev/null 2>&1");
  }

  const TemporaryDirectory directory_;
};

TEST_P(CloopOracleTest, ReadsWhatQemuImgReads) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.cloop", "cloop"), "");
}

TEST_P(CloopOracleTest, IsFoundByProbing) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.cloop", ""), "");
}

TEST_P(CloopOracleTest, DescribesWhatQemuImgDescribes) {
  auto described = DescribedInfo(directory_, "image.cloop", "cloop");
  described.erase("dirty-flag");  // which qemu-img does not know of this format
  EXPECT_EQ(described, QemuImgInfo(directory_, "image.cloop", "cloop"));
}

INSTANTIATE_TEST_SUITE_P(Cloop, CloopOracleTest,
                         testing::Values(Variant{"blocks_64k", 6 << 20, "-B 65536"},
                                         Variant{"blocks_512", 1 << 20, "-B 512"},
                                         Variant{"blocks_odd", 6 << 20, "-B 66048"},
                                         Variant{"blocks_1m", 9 << 20, "-B 1048576"},
                                         Variant{"ends_within_a_block", (5 << 20) + 1024,
                                                 "-B 131072"},
                                         Variant{"not_compressed", 3 << 20, "-B 65536 -L 0"},
                                         Variant{"one_block", 65536, "-B 65536"}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest
