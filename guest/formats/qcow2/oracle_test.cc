// What the reader makes of images by qemu-img, compared with what qemu-img makes of them.
#include "guest/formats/testing/oracle.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using nlohmann::json;

// A way to make image.qcow2. The directory has source.raw, a disk of 6 MiB; $0 etc. are not used.
struct Variant {
  std::string name;
  std::string script;
  std::string snapshot = {};
};

SnapshotSelector Selector(const std::string& snapshot) {
  if (snapshot.empty()) return {};
  return {.id_or_name = snapshot};
}

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

std::string Convert(const std::string& options) {
  return "qemu-img convert -f raw -O qcow2 " + options + " source.raw image.qcow2";
}

// Fills an image bit by bit, so that tables grow and clusters are scattered.
std::string Scatter(const std::string& options, const std::string& size) {
  return "qemu-img create -q -f qcow2 -o " + options + " image.qcow2 " + size +
         "\n"
         "qemu-io -f qcow2 -c 'write -P 17 1M 300k' -c 'write -P 18 65536 512' -c 'write -P 19 0 "
         "64k' -c 'write -z 1100k 40k' -c 'write -P 20 1536k 1' -c 'discard 1200k 64k' "
         "image.qcow2 > /dev/null";
}

std::vector<Variant> Variants() {
  std::vector<Variant> variants = {
      {"defaults", Convert("-o compat=1.1")},
      {"version2", Convert("-o compat=0.10")},
      {"version2_compressed", Convert("-c -o compat=0.10,cluster_size=32k")},
      {"zlib", Convert("-c -o compression_type=zlib")},
      {"zstd", Convert("-c -o compression_type=zstd")},
      {"extended_l2", Convert("-o extended_l2=on")},
      {"extended_l2_zstd", Convert("-c -o extended_l2=on,compression_type=zstd")},
      {"extended_l2_small_clusters", Scatter("extended_l2=on,cluster_size=16k", "4M")},
      {"extended_l2_scattered", Scatter("extended_l2=on", "4M")},
      {"extended_l2_2m", Scatter("extended_l2=on,cluster_size=2M", "4M")},
      {"lazy_refcounts", Convert("-o lazy_refcounts=on")},
      {"preallocated_metadata",
       "qemu-img create -q -f qcow2 -o preallocation=metadata image.qcow2 9M"},
      {"preallocated_falloc", Scatter("preallocation=falloc", "3M")},
      {"preallocated_full", Scatter("preallocation=full", "3M")},
      {"empty_disk", "qemu-img create -q -f qcow2 image.qcow2 0"},
      {"one_sector",
       "qemu-img create -q -f qcow2 image.qcow2 512\n"
       "qemu-io -f qcow2 -c 'write -P 9 0 512' image.qcow2 >/dev/null"},
      {"odd_sectors", Scatter("compat=1.1", "2097664")},
      {"odd_sectors_compressed", "truncate -s 5000704 source.raw\n" + Convert("-c")},
      {"scattered", Scatter("compat=1.1", "5M")},
      {"scattered_v2", Scatter("compat=0.10", "5M")},
      {"beyond_4g",
       "qemu-img create -q -f qcow2 image.qcow2 9G\n"
       "qemu-io -f qcow2 -c 'write -P 5 5G 100k' -c 'write -P 6 9663610880 64k' "
       "image.qcow2 >/dev/null"},
      {"sparse_8t",
       "qemu-img create -q -f qcow2 image.qcow2 8T\n"
       "qemu-io -f qcow2 -c 'write -P 5 7T 100k' image.qcow2 >/dev/null"},
      {"zero_clusters",
       "qemu-img create -q -f qcow2 image.qcow2 4M\n"
       "qemu-io -f qcow2 -c 'write -P 5 0 4M' -c 'write -z 1M 1M' "
       "-c 'write -z -u 2M 1M' image.qcow2 >/dev/null"},
      {"zero_over_backing",
       "qemu-img create -q -f qcow2 -b source.raw -F raw image.qcow2\n"
       "qemu-io -f qcow2 -c 'write -z 1M 1M' -c 'write -P 3 3M 70000' image.qcow2 >/dev/null"},
      {"backing_raw",
       "qemu-img create -q -f qcow2 -b source.raw -F raw image.qcow2\n"
       "qemu-io -f qcow2 -c 'write -P 3 1M 1M' image.qcow2 >/dev/null"},
      {"backing_qcow2",
       "qemu-img convert -O qcow2 -c source.raw base.qcow2\n"
       "qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 image.qcow2\n"
       "qemu-io -f qcow2 -c 'write -P 3 1M 100000' image.qcow2 >/dev/null"},
      {"backing_shorter",
       "qemu-img create -q -f qcow2 -b source.raw -F raw image.qcow2 20M\n"
       "qemu-io -f qcow2 -c 'write -P 3 11M 1M' image.qcow2 >/dev/null"},
      {"backing_longer", "qemu-img create -q -f qcow2 -b source.raw -F raw image.qcow2 2M"},
      {"backing_unaligned_end",
       "truncate -s 3000001 source.raw\n"
       "qemu-img create -q -f qcow2 -b source.raw -F raw image.qcow2 4M"},
      {"backing_chain_of_four",
       "qemu-img create -q -f qcow2 -b source.raw -F raw a.qcow2\n"
       "qemu-io -f qcow2 -c 'write -P 1 1M 3M' a.qcow2 >/dev/null\n"
       "qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 -o cluster_size=4k b.qcow2 8M\n"
       "qemu-io -f qcow2 -c 'write -P 2 2M 64k' -c 'write -z 3M 5000' b.qcow2 >/dev/null\n"
       "qemu-img create -q -f qcow2 -b b.qcow2 -F qcow2 -o extended_l2=on image.qcow2 7M\n"
       "qemu-io -f qcow2 -c 'write -P 3 2100k 3k' image.qcow2 >/dev/null"},
      {"extended_l2_over_backing",
       "qemu-img create -q -f qcow2 -b source.raw -F raw -o extended_l2=on image.qcow2\n"
       "qemu-io -f qcow2 -c 'write -P 3 1M 3000' -c 'write -z 1030k 8k' image.qcow2 >/dev/null"},
      {"data_file", "qemu-img convert -O qcow2 -o data_file=data.raw source.raw image.qcow2"},
      {"data_file_raw",
       "qemu-img convert -O qcow2 -o data_file=data.raw,data_file_raw=on source.raw image.qcow2"},
      {"data_file_extended_l2",
       "qemu-img convert -O qcow2 -o data_file=data.raw,extended_l2=on source.raw image.qcow2"},
      {"snapshots_active", Convert("-c") +
                               "\nqemu-img snapshot -c one image.qcow2\n"
                               "qemu-io -f qcow2 -c 'write -P 3 1M 1M' image.qcow2 >/dev/null\n"
                               "qemu-img snapshot -c two image.qcow2\n"
                               "qemu-io -f qcow2 -c 'write -P 4 1M 2M' image.qcow2 >/dev/null"},
      {"snapshot_table_ends_the_file",
       Convert("-o compat=1.1") + "\nqemu-img snapshot -c one image.qcow2"},
      {"snapshot_by_name",
       Convert("-o cluster_size=8k") +
           "\nqemu-img snapshot -c first image.qcow2\n"
           "qemu-io -f qcow2 -c 'write -P 3 1M 1M' image.qcow2 >/dev/null",
       "first"},
      {"snapshot_by_id",
       Convert("-o extended_l2=on") +
           "\nqemu-img snapshot -c first image.qcow2\n"
           "qemu-io -f qcow2 -c 'write -P 3 1M 1M' image.qcow2 >/dev/null",
       "1"},
      {"bitmaps",
       "qemu-img create -q -f qcow2 image.qcow2 4M\n"
       "qemu-img bitmap --add -g 128k image.qcow2 first\n"
       "qemu-img bitmap --add --disable image.qcow2 second"},
      {"dirty_bit",
       Convert("-o lazy_refcounts=on") +
           "\nprintf '\\001' | dd of=image.qcow2 bs=1 seek=79 conv=notrunc status=none"},
      {"unknown_extension_and_compatible_bits",
       Convert("-o compat=1.1") +
           "\nprintf '\\377' | dd of=image.qcow2 bs=1 seek=80 conv=notrunc status=none"},
      {"cluster_2m_compressed", Convert("-c -o cluster_size=2M")},
      {"cluster_512_compressed", Convert("-c -o cluster_size=512")},
      {"cluster_512_zstd_backing",
       "qemu-img convert -O qcow2 -c -o cluster_size=512,compression_type=zstd source.raw b.qcow2\n"
       "qemu-img create -q -f qcow2 -b b.qcow2 -F qcow2 -o cluster_size=512 image.qcow2\n"
       "qemu-io -f qcow2 -c 'write -P 3 1M 1000' image.qcow2 >/dev/null"},
      {"mixed_compressed_and_not",
       Convert("-c") + "\nqemu-io -f qcow2 -c 'write -P 3 1M 100' -c 'write -P 4 2M 65537' "
                       "image.qcow2 >/dev/null"},
  };
  for (const char* size :
       {"512", "1k", "2k", "4k", "8k", "16k", "32k", "128k", "256k", "512k", "1M", "2M"}) {
    variants.push_back(
        {std::string("cluster_") + size, Convert(std::string("-o cluster_size=") + size)});
  }
  for (const char* bits : {"1", "2", "4", "8", "32", "64"}) {
    variants.push_back(
        {std::string("refcount_bits_") + bits, Convert(std::string("-o refcount_bits=") + bits)});
  }
  return variants;
}

class Qcow2OracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
    WriteSampleDisk(directory_.path("source.raw"), 6 << 20);
    directory_.Run(GetParam().script);
    files_.set_reference_opener(
        [this](uint32_t, ReferenceKind, std::string_view name) -> NativeFiles::Opened {
          const int fd = open(directory_.path(std::string(name)).c_str(), O_RDONLY | O_CLOEXEC);
          if (fd < 0) return {.status = IoStatus::kNotFound, .file = nullptr};
          return {.status = IoStatus::kOk, .file = std::make_unique<FdFile>(fd)};
        });
    image_ = files_.AddPath(directory_.path("image.qcow2"), O_RDONLY);
    ASSERT_NE(image_.slot, NativeFiles::kNoSlot);
  }

  TemporaryDirectory directory_;
  NativeFiles files_;
  FileHandle image_;
};

TEST_P(Qcow2OracleTest, ReadsWhatQemuImgReads) {
  const std::string& snapshot = GetParam().snapshot;
  directory_.Run("qemu-img convert -f qcow2 -O raw " + (snapshot.empty() ? "" : "-l " + snapshot) +
                 " image.qcow2 expected.raw");
  NativeChannel io(files_);

  const auto chain = ImageChain::Open(io, {.file = image_, .format = {}}, {}, Selector(snapshot));
  ASSERT_TRUE(chain.ok()) << chain.status().message();
  EXPECT_EQ((*chain)->format(), "qcow2");
  const auto difference =
      DiskReader(io, **chain)
          .CompareWith(directory_.path("expected.raw"), (*chain)->virtual_size());
  ASSERT_TRUE(difference.ok()) << difference.status().message();
  EXPECT_EQ(*difference, "");
}

TEST_P(Qcow2OracleTest, ReadsTheSameThroughSmallBuffers) {
  const std::string& snapshot = GetParam().snapshot;
  directory_.Run("qemu-img convert -f qcow2 -O raw " + (snapshot.empty() ? "" : "-l " + snapshot) +
                 " image.qcow2 expected.raw");
  NativeChannel io(files_, /*buffer_count=*/2, /*buffer_size=*/64 << 10);

  const auto chain =
      ImageChain::Open(io, {.file = image_, .format = "qcow2"}, {}, Selector(snapshot));
  ASSERT_TRUE(chain.ok()) << chain.status().message();
  const auto difference =
      DiskReader(io, **chain)
          .CompareWith(directory_.path("expected.raw"), (*chain)->virtual_size());
  ASSERT_TRUE(difference.ok()) << difference.status().message();
  EXPECT_EQ(*difference, "");
}

json Describe(const ImageDescription& description) {
  json out = {{"format", description.format},
              {"virtual-size", description.virtual_size},
              {"cluster-size", description.cluster_size},
              {"dirty-flag", description.dirty},
              {"format-specific", FormatSpecific(description, "image.qcow2")}};
  if (description.backing) {
    out["backing-filename"] = description.backing->name;
    out["backing-filename-format"] = description.backing->format;
  }
  for (const SnapshotInfo& snapshot : description.snapshots) {
    json entry = {{"id", snapshot.id},
                  {"name", snapshot.name},
                  {"vm-state-size", snapshot.vm_state_size},
                  {"date-sec", snapshot.date_sec},
                  {"date-nsec", snapshot.date_nsec},
                  {"vm-clock-sec", snapshot.vm_clock_nsec / 1000000000},
                  {"vm-clock-nsec", snapshot.vm_clock_nsec % 1000000000}};
    if (snapshot.icount) entry["icount"] = *snapshot.icount;
    out["snapshots"].push_back(entry);
  }
  return out;
}

TEST_P(Qcow2OracleTest, DescribesWhatQemuImgDescribes) {
  const json expected = QemuImgInfo(directory_, "image.qcow2", "qcow2");
  NativeChannel io(files_);

  const auto reader = FindFormat("qcow2")->open(io, image_, {.describe_only = true});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ(Describe((*reader)->Describe()), expected);
}

// qemu-img gives the snapshot the size that the active disk has now, and so cuts or pads it.
TEST(Qcow2SnapshotTest, KeepsTheSizeItWasTakenWith) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  const TemporaryDirectory directory;
  WriteSampleDisk(directory.path("source.raw"), 6 << 20);
  directory.Run(
      "qemu-img convert -f raw -O qcow2 source.raw image.qcow2\n"
      "qemu-img snapshot -c small image.qcow2\n"
      "qemu-img resize -q image.qcow2 40M\n"
      "qemu-io -f qcow2 -c 'write -P 3 1M 39M' image.qcow2 >/dev/null");
  NativeFiles files;
  const FileHandle image = files.AddPath(directory.path("image.qcow2"), O_RDONLY);
  NativeChannel io(files);

  const auto chain =
      ImageChain::Open(io, {.file = image, .format = "qcow2"}, {}, {.id_or_name = "small"});

  ASSERT_TRUE(chain.ok()) << chain.status().message();
  EXPECT_EQ((*chain)->virtual_size(), 6u << 20);
  const auto difference =
      DiskReader(io, **chain).CompareWith(directory.path("source.raw"), 6 << 20);
  ASSERT_TRUE(difference.ok()) << difference.status().message();
  EXPECT_EQ(*difference, "");
}

INSTANTIATE_TEST_SUITE_P(Qcow2, Qcow2OracleTest, testing::ValuesIn(Variants()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest
