// What the checker finds in sound and damaged images, compared with what qemu-img check finds.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "guest/formats/qcow2/checker.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using nlohmann::json;

// A way to make image.qcow2. The directory has source.raw, a disk of 6 MiB; `poke OFFSET BYTES`
// writes bytes, in the notation of printf(1).
//
// qemu-img puts the refcount table at 0x10000, its first block at 0x20000, the L1 table at 0x30000
// and the first L2 table at 0x40000.
struct Image {
  std::string name;
  std::string script;
};

void PrintTo(const Image& image, std::ostream* out) { *out << image.name; }

std::string Convert(const std::string& options, const std::string& then = {}) {
  return "qemu-img convert -f raw -O qcow2 " + options + " source.raw image.qcow2\n" + then;
}

std::string Write(const std::string& commands) {
  return "\nqemu-io -f qcow2 " + commands + " image.qcow2 >/dev/null\n";
}

std::vector<Image> SoundImages() {
  std::vector<Image> images = {
      {"Empty", "qemu-img create -q -f qcow2 image.qcow2 64M"},
      {"NoDisk", "qemu-img create -q -f qcow2 image.qcow2 0"},
      {"OddSize", "qemu-img create -q -f qcow2 image.qcow2 1000448"},
      {"Plain", Convert("")},
      {"Version2", Convert("-o compat=0.10")},
      {"Zlib", Convert("-c")},
      {"Zstd", Convert("-c -o compression_type=zstd")},
      {"Cluster512", Convert("-o cluster_size=512")},
      {"Cluster512Compressed", Convert("-c -o cluster_size=512")},
      {"Cluster2M", Convert("-o cluster_size=2M")},
      {"ExtendedL2", Convert("-o extended_l2=on")},
      {"ExtendedL2Scattered",
       "qemu-img create -q -f qcow2 -o extended_l2=on image.qcow2 4M" +
           Write(
               "-c 'write 1M 3000' -c 'write -z 1030k 8k' -c 'write 100k 4k' -c 'discard 1M 4k'")},
      {"Preallocated", "qemu-img create -q -f qcow2 -o preallocation=metadata image.qcow2 9M"},
      {"Fragmented",
       "qemu-img create -q -f qcow2 image.qcow2 9M" +
           Write("-c 'write 2M 64k' -c 'write 1M 64k' -c 'write 1088k 64k' -c 'write 0 64k'")},
      {"ZeroClusters", Convert("", Write("-c 'write -z 1M 1M' -c 'write -z -u 2M 1M'"))},
      {"Snapshots",
       Convert("-c", "qemu-img snapshot -c one image.qcow2" + Write("-c 'write -P 3 1M 1M'") +
                         "qemu-img snapshot -c two image.qcow2" + Write("-c 'write -P 4 1M 2M'"))},
      {"Bitmaps", Convert("",
                          "qemu-img bitmap --add -g 64k image.qcow2 first\n"
                          "qemu-img bitmap --add --disable image.qcow2 second" +
                              Write("-c 'write -P 3 1M 1M'"))},
      {"Backing",
       "qemu-img create -q -f qcow2 -b source.raw -F raw image.qcow2" + Write("-c 'write 1M 1M'")},
      {"DataFile", "qemu-img convert -O qcow2 -o data_file=data.raw source.raw image.qcow2"},
      {"DataFileExtendedL2",
       "qemu-img convert -O qcow2 -o data_file=data.raw,extended_l2=on source.raw image.qcow2"},
      {"Sparse8T", "qemu-img create -q -f qcow2 image.qcow2 8T" + Write("-c 'write 7T 100k'")},
      {"CutWithinACluster", Convert("", "truncate -s -4096 image.qcow2")},
      {"SpaceAtTheEnd", Convert("", "truncate -s +1M image.qcow2")},
      {"LazyRefcountsDirty", Convert("-o lazy_refcounts=on", "poke 79 '\\001'")},
  };
  for (const char* bits : {"1", "2", "4", "8", "32", "64"}) {
    images.push_back(
        {std::string("RefcountBits") + bits, Convert(std::string("-o refcount_bits=") + bits)});
  }
  return images;
}

std::vector<Image> DamagedImages() {
  return {
      {"Leak", Convert("", "poke $((0x20000 + 2 * 5)) '\\0\\2'")},
      {"LeakOfAFreeCluster", Convert("",
                                     "truncate -s +1M image.qcow2\npoke $((0x20000 + 2 * "
                                     "$(($(stat -c %s image.qcow2) / 65536 - 1)))) '\\0\\1'")},
      {"RefcountZero", Convert("", "poke $((0x20000 + 2 * 6)) '\\0\\0'")},
      {"RefcountZeroOfTheL2Table", Convert("", "poke $((0x20000 + 2 * 4)) '\\0\\0'")},
      {"RefcountHuge64", Convert("-o refcount_bits=64", "poke $((0x20000 + 8 * 6)) '\\377\\377'")},
      {"RefcountBlockMissing", Convert("", "poke 0x10000 '\\0\\0\\0\\0\\0\\0\\0\\0'")},
      {"RefcountBlockUnaligned", Convert("", "poke $((0x10006)) '\\2'")},
      {"RefcountBlockReservedBits", Convert("", "poke $((0x10007)) '\\1'")},
      {"RefcountBlockOutside", Convert("", "poke $((0x1000b)) '\\1'")},
      {"RefcountBlockTwice", Convert("", "poke $((0x1000d)) '\\2'")},
      {"RefcountBlockIsTheL1Table", Convert("", "poke $((0x1000d)) '\\3'")},
      {"L1EntryReservedBits", Convert("", "poke $((0x30000)) '\\201'")},
      {"L2TableUnaligned", Convert("", "poke $((0x30006)) '\\2'")},
      {"L2TableTwice", "qemu-img create -q -f qcow2 image.qcow2 1G" + Write("-c 'write 0 1M'") +
                           "poke $((0x30008)) '\\200\\0\\0\\0\\0\\4\\0\\0'"},
      {"L2TableOutside", "qemu-img create -q -f qcow2 image.qcow2 1G" + Write("-c 'write 0 1M'") +
                             "poke $((0x30008)) '\\200\\0\\0\\1'"},
      {"L2TableIsTheL1Table", "qemu-img create -q -f qcow2 image.qcow2 1G" +
                                  Write("-c 'write 0 1M'") + "poke $((0x3000d)) '\\3'"},
      {"L2EntryReservedBits", Convert("", "poke $((0x40000)) '\\201'")},
      {"DataUnaligned", Convert("", "poke $((0x40006)) '\\2'")},
      {"ZeroClusterUnaligned", Convert("", "poke $((0x40006)) '\\2\\1'")},
      {"DataOutside", Convert("", "poke $((0x40002)) '\\1'")},
      {"DataIsTheHeader", Convert("", "poke $((0x40000)) '\\0\\0\\0\\0\\0\\0\\0\\0'") +
                              "\npoke $((0x40010)) '\\200\\0\\0\\0\\0\\1\\0\\0'"},
      {"CopiedFlagMissing", Convert("", "poke $((0x40000)) '\\0'")},
      {"CopiedFlagOfTheL2TableMissing", Convert("", "poke $((0x30000)) '\\0'")},
      {"CompressedCopied",
       Convert("-c",
               "poke $((0x40000)) \"$(dd if=image.qcow2 bs=1 skip=262144 count=1 "
               "status=none | od -An -to1 | awk '{printf \"\\\\%o\", 128 + 64}')\"")},
      {"CompressedInADataFileImage",
       "qemu-img convert -O qcow2 -o data_file=data.raw source.raw image.qcow2\n"
       "poke $((0x40000)) '\\100'"},
      {"DataFileWithoutCopied",
       "qemu-img convert -O qcow2 -o data_file=data.raw source.raw image.qcow2\n"
       "poke $((0x40008)) '\\0'"},
      {"SubclusterBothBits", Convert("-o extended_l2=on", "poke $((0x40008)) '\\377\\377'")},
      {"SubclusterUnallocated", "qemu-img create -q -f qcow2 -o extended_l2=on image.qcow2 4M" +
                                    Write("-c 'write 0 64k'") +
                                    "poke $((0x40018)) '\\0\\0\\0\\0\\1'"},
      {"SubclusterCompressedWithBitmap",
       Convert("-c -o extended_l2=on", "poke $((0x40008)) '\\0\\0\\0\\0\\1'")},
      {"OverflowOfOneBit",
       Convert("-o refcount_bits=1", "poke $((0x4000d)) '\\7'\npoke $((0x40015)) '\\7'")},
      {"SnapshotEntryIncomplete", Convert("",
                                          "qemu-img snapshot -c one image.qcow2\n"
                                          "at=$(od -An -tu4 --endian=big -j68 -N4 image.qcow2)\n"
                                          "poke $((at + 36)) '\\0\\0\\0\\10'")},
      {"SnapshotL1Unaligned", Convert("",
                                      "qemu-img snapshot -c one image.qcow2\n"
                                      "at=$(od -An -tu4 --endian=big -j68 -N4 image.qcow2)\n"
                                      "poke $((at + 6)) '\\2'")},
      {"SnapshotL1Huge", Convert("",
                                 "qemu-img snapshot -c one image.qcow2\n"
                                 "at=$(od -An -tu4 --endian=big -j68 -N4 image.qcow2)\n"
                                 "poke $((at + 8)) '\\177'")},
      {"SnapshotsLost", Convert("",
                                "qemu-img snapshot -c one image.qcow2\npoke 60 "
                                "'\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0'")},
      {"Truncated", Convert("", "truncate -s 400000 image.qcow2")},
      {"TruncatedToTheL1Table", Convert("", "truncate -s 200000 image.qcow2")},
      {"RefcountTableEmpty", Convert("", "poke 56 '\\0\\0\\0\\0'")},
  };
}

std::vector<std::string> Sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

class Qcow2CheckTest : public testing::TestWithParam<Image> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
    WriteSampleDisk(directory_.path("source.raw"), 6 << 20);
    directory_.Run(
        "poke() { printf \"$2\" | dd of=image.qcow2 bs=1 seek=$(($1)) conv=notrunc status=none; "
        "}\n" +
        GetParam().script);
    expected_ = json::parse(directory_.Run(
        "status=0\n"
        "qemu-img check -f qcow2 --output=json image.qcow2 2> findings || status=$?\n"
        "test $status -le 3"));
  }

  std::vector<std::string> ExpectedFindings() const {
    std::istringstream text(directory_.Run("grep -E '^(ERROR|Leaked|Can.t)' findings || true"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return Sorted(lines);
  }

  TemporaryDirectory directory_;
  json expected_;
};

json Figures(const CheckResult& result) {
  json out = {{"check-errors", result.check_errors}};
  if (result.image_end_offset) out["image-end-offset"] = *result.image_end_offset;
  const std::pair<const char*, uint64_t> unless_zero[] = {
      {"total-clusters", result.total_clusters},
      {"allocated-clusters", result.allocated_clusters},
      {"compressed-clusters", result.compressed_clusters},
      {"fragmented-clusters", result.fragmented_clusters},
      {"corruptions", result.corruptions},
      {"leaks", result.leaks},
  };
  for (const auto& [name, value] : unless_zero) {
    if (value != 0) out[name] = value;
  }
  return out;
}

TEST_P(Qcow2CheckTest, FindsWhatQemuImgFinds) {
  NativeFiles files;
  NativeChannel io(files);
  const FileHandle image = files.AddPath(directory_.path("image.qcow2"), O_RDONLY);

  const auto result = CheckQcow2(io, image, {});

  ASSERT_TRUE(result.ok()) << result.status().message();
  for (const char* key : {"filename", "format"}) expected_.erase(key);
  for (const char* key : {"allocated-clusters", "compressed-clusters", "fragmented-clusters"}) {
    if (expected_.contains(key) && expected_[key] == 0) expected_.erase(key);
  }
  EXPECT_EQ(Figures(*result), expected_);
  std::vector<std::string> findings;
  for (const CheckFinding& finding : result->findings) findings.push_back(finding.text);
  const std::vector<std::string> expected_findings = ExpectedFindings();
  if (expected_findings.size() <= CheckResult::kMaxFindings) {
    EXPECT_THAT(Sorted(findings), testing::ElementsAreArray(expected_findings));
  }
}

INSTANTIATE_TEST_SUITE_P(Sound, Qcow2CheckTest, testing::ValuesIn(SoundImages()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Damaged, Qcow2CheckTest, testing::ValuesIn(DamagedImages()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest
