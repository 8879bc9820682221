// What qemu-img wrote, read and checked; and what we write, read and checked by qemu-img.
#include "guest/formats/testing/oracle.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/qed/qed.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/formats/testing/write_image.h"
#include "guest/ops/testing/testing_convert.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using nlohmann::json;

struct Variant {
  std::string name;
  std::string script;  // makes image.qed of source.raw
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

std::string Convert(const std::string& options = "") {
  return "qemu-img convert -f raw -O qed " + options + " source.raw image.qed\n";
}

// Little-endian bytes put into the image.
std::string Poke(uint64_t offset, const std::string& octal) {
  return "printf '" + octal + "' | dd of=image.qed bs=1 seek=" + std::to_string(offset) +
         " conv=notrunc status=none\n";
}

class QedReaderOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
    WriteSampleDisk(directory_.path("source.raw"), 6 << 20);
    directory_.Run(GetParam().script);
  }

  const TemporaryDirectory directory_;
};

TEST_P(QedReaderOracleTest, ReadsWhatQemuImgReads) {
  EXPECT_EQ(CompareWithQemuImg(directory_, "image.qed", "qed"), "");
}

TEST_P(QedReaderOracleTest, DescribesWhatQemuImgDescribes) {
  EXPECT_EQ(DescribedInfo(directory_, "image.qed", "qed"),
            QemuImgInfo(directory_, "image.qed", "qed"));
}

INSTANTIATE_TEST_SUITE_P(
    Qed, QedReaderOracleTest,
    testing::Values(
        Variant{"plain", Convert()}, Variant{"clusters_4k", Convert("-o cluster_size=4k")},
        Variant{"clusters_4k_tables_16", Convert("-o cluster_size=4k,table_size=16")},
        Variant{"clusters_2m", Convert("-o cluster_size=2M,table_size=2")},
        Variant{"empty", "qemu-img create -q -f qed image.qed 200G"},
        Variant{"far_apart",
                "qemu-img create -q -f qed image.qed 100G\n"
                "qemu-io -t unsafe -f qed -c 'write -P 1 1000 3000' -c 'write -P 2 77777M 4M' "
                "image.qed"},
        Variant{"zero_clusters", Convert() + "qemu-io -t unsafe -f qed -c 'write -z 1M 2M' "
                                             "image.qed"},
        Variant{"backing_raw",
                "qemu-img create -q -f qed -b source.raw -F raw image.qed 9M\n"
                "qemu-io -t unsafe -f qed -c 'write -P 5 1M 700' -c 'write -z 3M 1M' image.qed"},
        Variant{"backing_qed", Convert() +
                                   "mv image.qed base.qed\n"
                                   "qemu-img create -q -f qed -b base.qed -F qed image.qed\n"
                                   "qemu-io -t unsafe -f qed -c 'write -P 5 3M 1000' image.qed"},
        Variant{"unknown_compatible_features", Convert() + Poke(24, "\\377\\001")},
        Variant{"needs_check", Convert() + Poke(16, "\\002")}),
    [](const auto& test) { return test.param.name; });

class QedCheckOracleTest : public testing::TestWithParam<Variant> {};

json CheckOf(const TemporaryDirectory& directory) {
  NativeFiles files;
  const FileHandle image = files.AddPath(directory.path("image.qed"), O_RDONLY);
  NativeChannel io(files);
  const auto checked = CheckQed(io, image, {});
  if (!checked.ok()) return {{"error", checked.status().message()}};
  json out = {{"total-clusters", checked->total_clusters}, {"check-errors", checked->check_errors}};
  const std::pair<const char*, uint64_t> counts[] = {
      {"leaks", checked->leaks},
      {"corruptions", checked->corruptions},
      {"allocated-clusters", checked->allocated_clusters},
      {"fragmented-clusters", checked->fragmented_clusters}};
  for (const auto& [name, count] : counts) {
    if (count != 0) out[name] = count;
  }
  return out;
}

TEST_P(QedCheckOracleTest, CountsWhatQemuImgCounts) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  WriteSampleDisk(directory.path("source.raw"), 6 << 20);
  directory.Run(GetParam().script);

  json expected =
      json::parse(directory.Run("qemu-img check -f qed --output=json image.qed || [ $? -lt 4 ]"));
  for (const char* key : {"filename", "format"}) expected.erase(key);

  EXPECT_EQ(CheckOf(directory), expected);
}

// The L1 table is at 64 KiB, the first L2 table at 320 KiB, the first data at 576 KiB.
INSTANTIATE_TEST_SUITE_P(
    Qed, QedCheckOracleTest,
    testing::Values(
        Variant{"sound", Convert()}, Variant{"empty", "qemu-img create -q -f qed image.qed 200G"},
        Variant{"not_in_order",
                "qemu-img create -q -f qed image.qed 8M\n"
                "for i in 7 3 5 1 6 0; do\n"
                "  qemu-io -t unsafe -f qed -c \"write -P $i ${i}M 600k\" image.qed; done"},
        Variant{"zero_clusters",
                Convert() + "qemu-io -t unsafe -f qed -c 'write -z 1M 2M' image.qed"},
        Variant{"leaks", Convert() + "truncate -s +300000 image.qed"},
        Variant{"truncated", Convert() + "truncate -s -100000 image.qed"},
        Variant{"cluster_twice", Convert() + Poke(327680 + 8 * 90, "\\0\\0\\012")},
        Variant{"cluster_unaligned", Convert() + Poke(327680 + 8 * 90, "\\0\\002\\012")},
        Variant{"cluster_in_the_header", Convert() + Poke(327680 + 8 * 90, "\\0\\002")},
        Variant{"cluster_far_away", Convert() + Poke(327680 + 8 * 90 + 7, "\\177")},
        Variant{"table_unaligned", Convert() + Poke(65536, "\\001")},
        Variant{"table_far_away", Convert() + Poke(65536 + 7, "\\177")},
        Variant{"table_twice", Convert() + Poke(65536 + 8, "\\0\\0\\005")},
        Variant{"table_on_the_l1_table", Convert() + Poke(65536 + 8, "\\0\\0\\001")}),
    [](const auto& test) { return test.param.name; });

struct Output {
  std::string name;
  std::vector<FormatOption> options = {};
  uint64_t sparse_size = 4096;
};

void PrintTo(const Output& output, std::ostream* out) { *out << output.name; }

class QedWriterOracleTest : public testing::TestWithParam<Output> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  }

  void ConvertTo(const std::string& target, uint32_t lanes) {
    const auto result = RunConversion({.source = directory_.path("source.raw"),
                                       .target = directory_.path(target),
                                       .target_format = "qed",
                                       .options = GetParam().options,
                                       .sparse_size = GetParam().sparse_size,
                                       .lanes = lanes});
    ASSERT_TRUE(result.ok()) << result.status().message();
  }

  const TemporaryDirectory directory_;
};

TEST_P(QedWriterOracleTest, QemuImgReadsTheDiskAndFindsNoErrors) {
  for (const uint64_t size : {512ull, 9ull << 20, (170ull << 20) + 66048}) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    ConvertTo("image.qed", 3);
    directory_.Run("qemu-img compare -f raw -F qed source.raw image.qed >&2");
    // qemu-img sees leaks in larger images of its own too.
    if (size < 100 << 20) directory_.Run("qemu-img check -q -f qed image.qed >&2");
    const json found = CheckOf(directory_);
    EXPECT_FALSE(found.contains("leaks") || found.contains("corruptions")) << found;
  }
}

TEST_P(QedWriterOracleTest, TheFileDoesNotDependOnTheLanes) {
  WriteSampleDisk(directory_.path("source.raw"), 40 << 20);
  ConvertTo("one.qed", 1);
  ConvertTo("four.qed", 4);
  directory_.Run("cmp one.qed four.qed >&2");
}

INSTANTIATE_TEST_SUITE_P(
    Qed, QedWriterOracleTest,
    testing::Values(Output{"plain"}, Output{"everything", {}, 0}, Output{"small_holes", {}, 512},
                    Output{"clusters_4k", {{"cluster_size", "4k"}, {"table_size", "2"}}},
                    Output{"clusters_4k_tables_16", {{"cluster_size", "4k"}, {"table_size", "16"}}},
                    // Tables larger than what is held of them in memory.
                    Output{"clusters_1m", {{"cluster_size", "1M"}, {"table_size", "2"}}},
                    Output{"clusters_4m", {{"cluster_size", "4M"}, {"table_size", "2"}}}),
    [](const auto& test) { return test.param.name; });

// Each piece of a large table that has an entry is written at its place.
TEST(QedWriterTest, PiecesOfLargeTablesLieWhereTheyBelong) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  const FormatOption options[] = {{.key = "cluster_size", .value = "64k"},
                                  {.key = "table_size", .value = "16"}};
  // Tables of 1 MiB map 8 GiB, in pieces of 2 GiB.
  const Status status = WriteImage(
      kQedFormat, directory.path("image.qed"), {.virtual_size = 20ull << 30, .options = options},
      {{.kind = Run::Kind::kData, .offset = 1ull << 30, .length = 65536, .byte = 1},
       {.kind = Run::Kind::kData, .offset = 5ull << 30, .length = 65536, .byte = 2},
       {.kind = Run::Kind::kData, .offset = 6ull << 30, .length = 65536, .byte = 3},
       {.kind = Run::Kind::kData, .offset = 19ull << 30, .length = 65536, .byte = 4}});

  ASSERT_TRUE(status.ok()) << status.message();
  directory.Run(
      "qemu-img check -q -f qed image.qed >&2\n"
      "qemu-io -r -f qed -c 'read -P 1 1G 64k' -c 'read -P 2 5G 64k' -c 'read -P 3 6G 64k' "
      "-c 'read -P 4 19G 64k' -c 'read -P 0 7G 1G' image.qed > out\n"
      "! grep -q failed out");
}

TEST(QedWriterTest, ZeroesHideTheBackingFile) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  directory.Run(
      "qemu-img create -q -f raw base.raw 64M\n"
      "qemu-io -t unsafe -f raw -c 'write -P 1 0 64M' base.raw\n"
      "cp base.raw expected.raw\n"
      "qemu-io -t unsafe -f raw -c 'write -z 1M 4k' -c 'write -P 7 1028k 4k' -c 'write -z 1032k "
      "56k' -c 'write -z 3M 40M' expected.raw\n");

  const Status status = WriteImage(
      kQedFormat, directory.path("image.qed"),
      {.virtual_size = 64 << 20, .backing = BackingImage{.name = "base.raw", .format = "raw"}},
      {{.kind = Run::Kind::kUnallocated, .offset = 0, .length = 1 << 20},
       {.kind = Run::Kind::kZero, .offset = 1 << 20, .length = 4096},
       {.kind = Run::Kind::kData, .offset = (1 << 20) + 4096, .length = 4096, .byte = 7},
       {.kind = Run::Kind::kZero, .offset = (1 << 20) + 8192, .length = 57344},
       {.kind = Run::Kind::kUnallocated, .offset = (1 << 20) + 65536, .length = (2 << 20) - 65536},
       {.kind = Run::Kind::kZero, .offset = 3 << 20, .length = 40 << 20}});

  ASSERT_TRUE(status.ok()) << status.message();
  directory.Run(
      "qemu-img check -q -f qed image.qed >&2\n"
      "qemu-img compare -f qed -F raw image.qed expected.raw >&2");
  EXPECT_EQ(QemuImgInfo(directory, "image.qed", "qed")["backing-filename-format"], "raw");
  EXPECT_EQ(CompareWithQemuImg(directory, "image.qed", "qed"), "");
}

struct Refusal {
  CreateOptions options;
  std::string message;
};

TEST(QedWriterTest, RefusesByNameWhatItDoesNotDo) {
  const FormatOption odd = {.key = "cluster_size", .value = "5k"};
  const FormatOption small = {.key = "cluster_size", .value = "2k"};
  const FormatOption tables = {.key = "table_size", .value = "32"};
  const FormatOption one = {.key = "table_size", .value = "1"};
  const FormatOption large = {.key = "cluster_size", .value = "64M"};
  const FormatOption unknown = {.key = "compat", .value = "1"};
  const FormatOption four_k = {.key = "cluster_size", .value = "4k"};
  const Refusal refusals[] = {
      {{.virtual_size = 512, .options = {&odd, 1}}, "cluster_size must be a power of two"},
      {{.virtual_size = 512, .options = {&small, 1}}, "cluster_size must be a power of two"},
      {{.virtual_size = 512, .options = {&one, 1}}, "QEMU opens no image with 1"},
      {{.virtual_size = 512, .options = {&large, 1}}, "use a smaller cluster_size"},
      {{.virtual_size = 512, .options = {&tables, 1}}, "table_size must be a power of two"},
      {{.virtual_size = 512, .options = {&unknown, 1}}, "unknown option 'compat'"},
      {{.virtual_size = 1ull << 40, .options = {&four_k, 1}}, "too large"},
      {{.virtual_size = 512, .compress = true}, "compression not supported"},
      {{.virtual_size = 512, .exists = true}, "writing into an existing image is not done"},
  };
  const TemporaryDirectory directory;
  for (const Refusal& refusal : refusals) {
    const Status status = WriteImage(kQedFormat, directory.path("image.qed"), refusal.options, {});
    EXPECT_NE(status.message().find(refusal.message), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace hotcell::guest
