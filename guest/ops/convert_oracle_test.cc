// Conversions judged by qemu-img.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <ostream>

#include "guest/formats/testing/qemu_img.h"
#include "guest/ops/testing/testing_convert.h"

namespace hotcell::guest {
namespace {

struct OutputVariant {
  std::string name;
  std::vector<FormatOption> options = {};
  bool compress = false;
  uint64_t sparse_size = 4096;
  uint64_t cluster_size = 64 << 10;  // what the options say
  std::string format = "qcow2";
};

void PrintTo(const OutputVariant& variant, std::ostream* out) { *out << variant.name; }

class ConvertOracleTest : public testing::TestWithParam<OutputVariant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  }

  void ConvertTo(const std::string& source, const std::string& target, uint32_t lanes) {
    const auto result = RunConversion({.source = directory_.path(source),
                                       .target = directory_.path(target),
                                       .target_format = "qcow2",
                                       .options = GetParam().options,
                                       .compress = GetParam().compress,
                                       .sparse_size = GetParam().sparse_size,
                                       .lanes = lanes});
    ASSERT_TRUE(result.ok()) << result.status().message();
  }

  // Sizes on disk and as the file says, bytes.
  std::pair<uint64_t, uint64_t> Sizes(const std::string& file) {
    const std::string out = directory_.Run("stat -c '%b %s' " + file);
    char* rest = nullptr;
    const uint64_t blocks = std::strtoull(out.c_str(), &rest, 10);
    return {blocks * 512, std::strtoull(rest, nullptr, 10)};
  }

  const TemporaryDirectory directory_;
};

TEST_P(ConvertOracleTest, WritesWhatQemuImgReadsAndIsNoLargerThanItsOwn) {
  for (const uint64_t size : {0ull, 512ull, 9ull << 20, (20ull << 20) + 66048}) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    directory_.Run("truncate -s " + std::to_string(size) + " source.raw");
    ConvertTo("source.raw", "ours.qcow2", 3);
    directory_.Run(
        "qemu-img check -q -f qcow2 ours.qcow2 >&2\n"
        "qemu-img compare -s -f raw -F qcow2 source.raw ours.qcow2 >&2 ||\n"
        "  qemu-img compare -f raw -F qcow2 source.raw ours.qcow2 >&2");

    std::string options = GetParam().compress ? "-c" : "";
    for (const auto& [key, value] : GetParam().options) options += " -o " + key + "=" + value;
    options += " -S " + std::to_string(GetParam().sparse_size);
    directory_.Run("qemu-img convert -f raw -O qcow2 " + options + " source.raw theirs.qcow2");
    const auto ours = Sizes("ours.qcow2");
    const auto theirs = Sizes("theirs.qcow2");
    // Refcount blocks of small clusters are written several at once, and the refcount table after
    // the data does not share the last data cluster, which theirs leaves unfinished.
    const uint64_t slack = 24 << 10;
    const uint64_t last_cluster = GetParam().cluster_size;
    EXPECT_LE(ours.first, theirs.first * 103 / 100 + slack) << "bytes on disk, size " << size;
    EXPECT_LE(ours.second, theirs.second * 103 / 100 + slack + last_cluster)
        << "file size, size " << size;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Qcow2, ConvertOracleTest,
    testing::Values(
        OutputVariant{"defaults"}, OutputVariant{"clusters_512", {{"cluster_size", "512"}}},
        OutputVariant{"clusters_4k", {{"cluster_size", "4k"}}},
        OutputVariant{"clusters_2m", {{"cluster_size", "2M"}}},
        OutputVariant{"refcounts_1", {{"refcount_bits", "1"}}},
        OutputVariant{"refcounts_2_small", {{"refcount_bits", "2"}, {"cluster_size", "1k"}}},
        OutputVariant{"refcounts_64_small", {{"refcount_bits", "64"}, {"cluster_size", "2k"}}},
        OutputVariant{"version_2", {{"compat", "0.10"}}},
        OutputVariant{"lazy_refcounts", {{"lazy_refcounts", "on"}}},
        OutputVariant{"preallocated", {{"preallocation", "metadata"}}},
        OutputVariant{"preallocated_falloc", {{"preallocation", "falloc"}}},
        OutputVariant{"preallocated_full", {{"preallocation", "full"}}},
        OutputVariant{"extended_l2", {{"extended_l2", "on"}}},
        OutputVariant{"extended_l2_16k", {{"extended_l2", "on"}, {"cluster_size", "16k"}}},
        OutputVariant{"extended_l2_2m",
                      {{"extended_l2", "on"}, {"cluster_size", "2M"}},
                      false,
                      4096,
                      2 << 20},
        OutputVariant{"extended_l2_preallocated",
                      {{"extended_l2", "on"}, {"preallocation", "metadata"}}},
        OutputVariant{"extended_l2_falloc", {{"extended_l2", "on"}, {"preallocation", "falloc"}}},
        OutputVariant{"extended_l2_zlib", {{"extended_l2", "on"}}, true},
        OutputVariant{"everything", {}, false, 0}, OutputVariant{"sparse_64k", {}, false, 65536},
        OutputVariant{"sparse_512", {}, false, 512}, OutputVariant{"zlib", {}, true},
        OutputVariant{"zlib_everything", {}, true, 0},
        OutputVariant{"zlib_512", {{"cluster_size", "512"}}, true},
        OutputVariant{"zlib_2m", {{"cluster_size", "2M"}}, true, 4096, 2 << 20},
        OutputVariant{"zlib_version_2", {{"compat", "0.10"}}, true},
        OutputVariant{"zlib_refcounts_1", {{"refcount_bits", "1"}}, true},
        OutputVariant{"zlib_refcounts_2", {{"refcount_bits", "2"}}, true},
        OutputVariant{"zstd", {{"compression_type", "zstd"}}, true},
        OutputVariant{"zstd_4k", {{"compression_type", "zstd"}, {"cluster_size", "4k"}}, true}),
    [](const auto& test) { return test.param.name; });

using ConvertBigDiskTest = ConvertOracleTest;

TEST_P(ConvertBigDiskTest, IsMappedBeyondFourGiB) {
  directory_.Run(
      "qemu-img create -q -f raw source.raw 9G\n"
      "qemu-io -f raw -c 'write -P 1 0 1000k' -c 'write -P 2 4294963200 3M' "
      "-c 'write -P 3 8G 70000' -c 'write -P 4 9663672320 4096' source.raw >/dev/null");
  ConvertTo("source.raw", "ours.qcow2", 2);
  directory_.Run(
      "qemu-img check -q -f qcow2 ours.qcow2 >&2\n"
      "qemu-img compare -f raw -F qcow2 source.raw ours.qcow2 >&2");
}

INSTANTIATE_TEST_SUITE_P(Qcow2, ConvertBigDiskTest,
                         testing::Values(OutputVariant{"defaults"},
                                         OutputVariant{"clusters_512", {{"cluster_size", "512"}}},
                                         OutputVariant{"clusters_2m", {{"cluster_size", "2M"}}},
                                         OutputVariant{"preallocated",
                                                       {{"preallocation", "metadata"}}},
                                         OutputVariant{"extended_l2", {{"extended_l2", "on"}}},
                                         OutputVariant{"zlib", {}, true}),
                         [](const auto& test) { return test.param.name; });

using ConvertBackedTest = ConvertOracleTest;

// A disk that leaves data to its backing image, hides some of it, and may end before or behind it.
TEST_P(ConvertBackedTest, StandsOnItsBackingImage) {
  const std::string& format = GetParam().format;
  for (const char* size : {"2100k", "3M", "5000704"}) {
    WriteSampleDisk(directory_.path("base.raw"), 3 << 20);
    directory_.Run(std::string("truncate -s 3M base.raw\n"
                               "qemu-img create -q -f qcow2 -b base.raw -F raw source.qcow2 ") +
                   size +
                   "\nqemu-io -f qcow2 -c 'write -P 3 1M 300k' -c 'write -z 1500k 200k' "
                   "-c 'write -z 0 64k' -c 'write -P 4 2000k 1k' source.qcow2 >/dev/null\n"
                   "qemu-img convert -f qcow2 -O raw source.qcow2 expected.raw");
    const std::string base = directory_.path("base.raw");
    const auto result = RunConversion(
        {.source = directory_.path("source.qcow2"),
         .target = directory_.path("ours"),
         .target_format = format,
         .options = GetParam().options,
         .compress = GetParam().compress,
         .backing = {{"base.raw", "raw", 3 << 20}},
         .lanes = 2,
         .references = [&](uint32_t, ReferenceKind, std::string_view) -> NativeFiles::Opened {
           return {.status = IoStatus::kOk,
                   .file = std::make_unique<FdFile>(open(base.c_str(), O_RDONLY | O_CLOEXEC))};
         }});
    ASSERT_TRUE(result.ok()) << result.status().message();
    directory_.Run(
        // qcow has no check, and no place for the backing file's format.
        (format == "qcow" ? "" : "qemu-img check -q -f " + format + " ours >&2\n") +
        "qemu-img compare -f raw -F " + format + " expected.raw ours >&2\n" +
        "qemu-img info ours | grep -q '^backing file: base.raw'\n" +
        (format == "qcow" ? "" : "qemu-img info ours | grep -q '^backing file format: raw'"));
    // The backing image's data is not copied.
    const uint64_t most = GetParam().options.empty() ? 1 << 20 : 3 << 20;
    EXPECT_LT(Sizes("ours").first, most) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Qcow2, ConvertBackedTest,
    testing::Values(OutputVariant{"defaults"},
                    OutputVariant{"clusters_512", {{"cluster_size", "512"}}},
                    OutputVariant{"version_2", {{"compat", "0.10"}}},
                    OutputVariant{"extended_l2", {{"extended_l2", "on"}}},
                    OutputVariant{"extended_l2_preallocated",
                                  {{"extended_l2", "on"}, {"preallocation", "metadata"}}},
                    OutputVariant{"zlib", {}, true},
                    OutputVariant{"zlib_version_2", {{"compat", "0.10"}}, true}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Others, ConvertBackedTest,
    testing::Values(OutputVariant{.name = "qed", .format = "qed"},
                    OutputVariant{.name = "qed_clusters_4k",
                                  .options = {{"cluster_size", "4k"}, {"table_size", "2"}},
                                  .format = "qed"},
                    OutputVariant{.name = "qcow", .format = "qcow"},
                    OutputVariant{.name = "qcow_compressed", .compress = true, .format = "qcow"}),
    [](const auto& test) { return test.param.name; });

// Each way in which qemu-img stores a disk, converted to raw.
struct InputVariant {
  std::string name;
  std::string options;
};

void PrintTo(const InputVariant& variant, std::ostream* out) { *out << variant.name; }

class ConvertInputTest : public testing::TestWithParam<InputVariant> {};

TEST_P(ConvertInputTest, BecomesTheDiskItWas) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  WriteSampleDisk(directory.path("source.raw"), 17 << 20);
  directory.Run("truncate -s 17826304 source.raw; qemu-img convert -f raw -O qcow2 " +
                GetParam().options + " source.raw image.qcow2");
  for (const uint32_t lanes : {1, 4}) {
    for (const size_t buffer_size : {256 << 10, 2 << 20}) {
      const auto result = RunConversion({.source = directory.path("image.qcow2"),
                                         .target = directory.path("target.raw"),
                                         .lanes = lanes,
                                         .buffer_size = buffer_size});
      ASSERT_TRUE(result.ok()) << result.status().message();
      EXPECT_EQ(result->source_format, "qcow2");
      directory.Run("cmp source.raw target.raw >&2");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Qcow2, ConvertInputTest,
                         testing::Values(InputVariant{"defaults", ""},
                                         InputVariant{"clusters_512", "-o cluster_size=512"},
                                         InputVariant{"clusters_2m", "-o cluster_size=2M"},
                                         InputVariant{"extended_l2", "-o extended_l2=on"},
                                         InputVariant{"zlib", "-c"},
                                         InputVariant{"zlib_512", "-c -o cluster_size=512"},
                                         InputVariant{"zlib_256k", "-c -o cluster_size=256k"},
                                         InputVariant{"zlib_unordered", "-c -W -m 16"},
                                         InputVariant{"zstd", "-c -o compression_type=zstd"}),
                         [](const auto& test) { return test.param.name; });

TEST(ConvertInput2MTest, CompressedClustersOfTwoMiBBecomeTheDiskTheyWere) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  WriteSampleDisk(directory.path("source.raw"), 17 << 20);
  directory.Run(
      "truncate -s 17826304 source.raw\n"
      "qemu-img convert -f raw -O qcow2 -c -o cluster_size=2M source.raw image.qcow2");
  const auto result = RunConversion({.source = directory.path("image.qcow2"),
                                     .target = directory.path("target.raw"),
                                     .lanes = 2});
  ASSERT_TRUE(result.ok()) << result.status().message();
  directory.Run("cmp source.raw target.raw >&2");
}

// Clusters that are allocated and have never been written to.
TEST(ConvertHolesTest, ReadsNoDataWhereTheFileHasHoles) {
  if (!HaveQemuImg()) GTEST_SKIP() << "no qemu-img";
  const TemporaryDirectory directory;
  for (const std::string& create :
       {std::string("qcow2 -o preallocation=metadata"), std::string("vdi -o static=on"),
        std::string("vhdx -o subformat=fixed"), std::string("vpc -o subformat=fixed")}) {
    SCOPED_TRACE(create);
    const std::string format = create.substr(0, create.find(' '));
    directory.Run("rm -f image; qemu-img create -q -f " + create + " image 256M && qemu-io -f " +
                  format + " -c 'write -P 7 9M 1M' image");
    for (const bool copy : {false, true}) {
      std::atomic<uint64_t> data = 0;
      const auto result = RunConversion(
          {.source = directory.path("image"),
           .source_format = format,
           .target = directory.path("target"),
           .copy_offload = copy,
           .fault = [&](const NativeRequest& request) -> std::optional<IoResult> {
             if (request.opcode == abi::Opcode::kCopy || request.opcode == abi::Opcode::kRead) {
               data += request.length;
             }
             return std::nullopt;
           }});
      ASSERT_TRUE(result.ok()) << result.status().message();
      EXPECT_LE(data, 4u << 20);
      directory.Run("qemu-img compare -f " + format + " -F raw image target");
      EXPECT_LE(std::stoull(directory.Run("stat -c %b target")), (2u << 20) / 512);
    }
  }
}

TEST(ConvertSnapshotTest, TakesTheDiskFromASnapshot) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  WriteSampleDisk(directory.path("source.raw"), 3 << 20);
  directory.Run(
      "truncate -s 3M source.raw; qemu-img convert -f raw -O qcow2 source.raw image.qcow2\n"
      "qemu-img snapshot -c before image.qcow2\n"
      "qemu-io -f qcow2 -c 'write -P 3 1M 1M' image.qcow2 >/dev/null");
  const auto result = RunConversion({.source = directory.path("image.qcow2"),
                                     .target = directory.path("target.raw"),
                                     .snapshot = "before"});
  ASSERT_TRUE(result.ok()) << result.status().message();
  directory.Run("cmp source.raw target.raw >&2");
}

}  // namespace
}  // namespace hotcell::guest
