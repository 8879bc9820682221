// What qemu-img wrote, read; and what we write, read by qemu-img and 7-Zip.
#include "guest/formats/testing/oracle.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/qcow/qcow.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/formats/testing/write_image.h"
#include "guest/ops/testing/testing_convert.h"

namespace hotcell::guest {
namespace {

// qemu-img 7.2 exits with 1 though it has written all of the compressed image.
constexpr char kCompress[] = "qemu-img convert -c -f raw -O qcow source.raw image.qcow || true\n";
constexpr char kConvert[] = "qemu-img convert -f raw -O qcow source.raw image.qcow\n";

struct Variant {
  std::string name;
  std::string script;  // makes image.qcow of source.raw
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class QcowReaderOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
    WriteSampleDisk(directory_.path("source.raw"), 6 << 20);
    directory_.Run(GetParam().script);
  }

  const TemporaryDirectory directory_;
};

TEST_P(QcowReaderOracleTest, ReadsWhatQemuImgReads) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.qcow", "qcow"), "");
}

TEST_P(QcowReaderOracleTest, IsFoundByProbing) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.qcow", ""), "");
}

TEST_P(QcowReaderOracleTest, DescribesWhatQemuImgDescribes) {
  EXPECT_EQ(DescribedInfo(directory_, "image.qcow", "qcow"),
            QemuImgInfo(directory_, "image.qcow", "qcow"));
}

INSTANTIATE_TEST_SUITE_P(
    Qcow, QcowReaderOracleTest,
    testing::Values(
        Variant{"plain", kConvert}, Variant{"compressed", kCompress},
        Variant{"empty", "qemu-img create -q -f qcow image.qcow 3G"},
        Variant{"one_sector", "qemu-img create -q -f qcow image.qcow 512"},
        Variant{"far_apart",
                "qemu-img create -q -f qcow image.qcow 6G\n"
                "qemu-io -t unsafe -f qcow -c 'write -P 1 1000 3000' -c 'write -P 2 5555M 1M' "
                "image.qcow"},
        Variant{"not_in_order",
                "qemu-img create -q -f qcow image.qcow 8M\n"
                "for i in 7 3 5 1 6 0; do\n"
                "  qemu-io -t unsafe -f qcow -c \"write -P $i ${i}M 600k\" image.qcow; done"},
        Variant{"compressed_and_overwritten",
                std::string(kCompress) + "qemu-io -t unsafe -f qcow -c 'write -P 3 1M 100' -c "
                                         "'write -P 4 2M 65537' image.qcow"},
        Variant{
            "backing_raw",
            "qemu-img create -q -f qcow -b source.raw -F raw image.qcow 9M\n"
            "qemu-io -t unsafe -f qcow -c 'write -P 5 1M 700' -c 'write -P 6 5M 200k' image.qcow"},
        Variant{"backing_qcow",
                std::string(kCompress) +
                    "mv image.qcow base.qcow\n"
                    "qemu-img create -q -f qcow -b base.qcow -F qcow image.qcow\n"
                    "qemu-io -t unsafe -f qcow -c 'write -P 5 3M 1000' image.qcow"}),
    [](const auto& test) { return test.param.name; });

struct Output {
  std::string name;
  bool compress = false;
  uint64_t sparse_size = 4096;
};

void PrintTo(const Output& output, std::ostream* out) { *out << output.name; }

class QcowWriterOracleTest : public testing::TestWithParam<Output> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  }

  void Convert(const std::string& target, uint32_t lanes) {
    const auto result = RunConversion({.source = directory_.path("source.raw"),
                                       .target = directory_.path(target),
                                       .target_format = "qcow",
                                       .compress = GetParam().compress,
                                       .sparse_size = GetParam().sparse_size,
                                       .lanes = lanes});
    ASSERT_TRUE(result.ok()) << result.status().message();
  }

  const TemporaryDirectory directory_;
};

TEST_P(QcowWriterOracleTest, QemuImgReadsTheDisk) {
  for (const uint64_t size : {512ull, 9ull << 20, (70ull << 20) + 66048}) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    Convert("ours.qcow", 3);
    directory_.Run("qemu-img compare -f raw -F qcow source.raw ours.qcow >&2");
  }
}

TEST_P(QcowWriterOracleTest, TheFileDoesNotDependOnTheLanes) {
  WriteSampleDisk(directory_.path("source.raw"), 40 << 20);
  Convert("one.qcow", 1);
  Convert("four.qcow", 4);
  directory_.Run("cmp one.qcow four.qcow >&2");
}

TEST_P(QcowWriterOracleTest, TheFileIsNoLargerThanQemuImgs) {
  WriteSampleDisk(directory_.path("source.raw"), 20 << 20);
  Convert("ours.qcow", 1);
  directory_.Run("qemu-img convert " + std::string(GetParam().compress ? "-c" : "") + " -S " +
                 std::to_string(GetParam().sparse_size) +
                 " -f raw -O qcow source.raw theirs.qcow || true\n"
                 "[ $(stat -c %s ours.qcow) -le $(($(stat -c %s theirs.qcow) + 65536)) ]");
}

INSTANTIATE_TEST_SUITE_P(Qcow, QcowWriterOracleTest,
                         testing::Values(Output{"plain"}, Output{"everything", false, 0},
                                         Output{"small_holes", false, 512},
                                         Output{"compressed", true}),
                         [](const auto& test) { return test.param.name; });

// 7-Zip does not unpack compressed clusters of this version.
TEST(QcowWriterTest, SevenZipReadsTheDisk) {
  if (SevenZip().empty()) GTEST_SKIP() << "7zz is not installed (7zip)";
  const TemporaryDirectory directory;
  WriteSampleDisk(directory.path("source.raw"), 9 << 20);

  const auto result = RunConversion({.source = directory.path("source.raw"),
                                     .target = directory.path("ours.qcow"),
                                     .target_format = "qcow"});

  ASSERT_TRUE(result.ok()) << result.status().message();
  directory.Run(SevenZip() + " e -tqcow -so ours.qcow | cmp - source.raw >&2");
}

TEST(QcowWriterTest, ZeroesHideTheBackingFile) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  directory.Run(
      "qemu-img create -q -f raw base.raw 64M\n"
      "qemu-io -t unsafe -f raw -c 'write -P 1 0 64M' base.raw\n"
      "cp base.raw expected.raw\n"
      "qemu-io -t unsafe -f raw -c 'write -P 7 1M 1536' -c 'write -z 3M 40M' -c 'write -P 8 43M "
      "1M' "
      "expected.raw\n");

  const Status status = WriteImage(
      kQcowFormat, directory.path("image.qcow"),
      {.virtual_size = 64 << 20, .backing = BackingImage{.name = "base.raw", .format = "raw"}},
      {{.kind = Run::Kind::kUnallocated, .offset = 0, .length = 1 << 20},
       {.kind = Run::Kind::kData, .offset = 1 << 20, .length = 1536, .byte = 7},
       {.kind = Run::Kind::kUnallocated, .offset = (1 << 20) + 1536, .length = (2 << 20) - 1536},
       {.kind = Run::Kind::kZero, .offset = 3 << 20, .length = 40 << 20},
       {.kind = Run::Kind::kData, .offset = 43 << 20, .length = 1 << 20, .byte = 8},
       {.kind = Run::Kind::kUnallocated, .offset = 44 << 20, .length = 20 << 20}});

  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(QemuImgInfo(directory, "image.qcow", "qcow")["backing-filename"], "base.raw");
  // qemu-img 7.2 wants the format, which this one has no place for.
  directory.Run(
      "qemu-img compare --image-opts "
      "driver=qcow,file.filename=image.qcow,backing.driver=raw,backing.file.filename=base.raw "
      "driver=raw,file.filename=expected.raw >&2");
  EXPECT_EQ(CompareWithQemuImg(directory, "image.qcow", "qcow"), "");
}

struct Refusal {
  CreateOptions options;
  std::string message;
};

TEST(QcowWriterTest, RefusesByNameWhatItDoesNotDo) {
  const FormatOption encryption = {.key = "encryption", .value = "on"};
  const FormatOption unknown = {.key = "cluster_size", .value = "4k"};
  const std::string long_name(1024, 'x');
  const Refusal refusals[] = {
      {{.virtual_size = 512, .options = {&encryption, 1}}, "encryption: encrypted output"},
      {{.virtual_size = 512, .options = {&unknown, 1}}, "unknown option 'cluster_size'"},
      {{.virtual_size = 0}, "disk of 0 bytes"},
      {{.virtual_size = 1ull << 50}, "too large"},
      {{.virtual_size = 512, .backing = BackingImage{.name = long_name, .format = "raw"}},
       "1024 bytes, more than the 1023"},
      {{.virtual_size = 512, .exists = true}, "writing into an existing image is not done"},
  };
  const TemporaryDirectory directory;
  for (const Refusal& refusal : refusals) {
    const Status status =
        WriteImage(kQcowFormat, directory.path("image.qcow"), refusal.options, {});
    EXPECT_NE(status.message().find(refusal.message), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace hotcell::guest
