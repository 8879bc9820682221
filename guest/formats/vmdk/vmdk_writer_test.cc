// VMDK that is written, judged by qemu-img.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "guest/formats/testing/qemu_img.h"
#include "guest/formats/vmdk/on_disk.h"
#include "guest/ops/testing/testing_convert.h"

namespace hotcell::guest {
namespace {

using testing::HasSubstr;

using Options = std::vector<FormatOption>;

std::string ReadFile(const std::string& path) {
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

template <typename T>
T At(const std::string& bytes, uint64_t offset) {
  return LoadStruct<T>(std::as_bytes(std::span(bytes)), offset);
}

class VmdkWriterTest : public testing::Test {
 protected:
  Status TryConvert(const std::string& source, const std::string& target,
                    const Options& options = {}, uint32_t lanes = 2) {
    return RunConversion({.source = directory_.path(source),
                          .source_format = "raw",
                          .target = directory_.path(target),
                          .target_format = "vmdk",
                          .options = options,
                          .lanes = lanes})
        .status();
  }

  void Convert(const std::string& source, const std::string& target, const Options& options = {},
               uint32_t lanes = 2) {
    const Status status = TryConvert(source, target, options, lanes);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  std::string Descriptor(const std::string& file) {
    return ReadFile(directory_.path(file)).substr(512, 20 * 512).c_str();
  }

  const TemporaryDirectory directory_;
};

struct Variant {
  std::string name;
  Options options;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class VmdkOracleTest : public VmdkWriterTest, public testing::WithParamInterface<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  }
};

TEST_P(VmdkOracleTest, QemuImgReadsWhatWasMeantAndMakesItNoSmaller) {
  for (const uint64_t size : {512ull, 65536ull, 9ull << 20, (70ull << 20) + 66048}) {
    WriteSampleDisk(directory_.path("source.raw"), size);
    Convert("source.raw", "ours.vmdk", GetParam().options);
    std::string options;
    for (const auto& [key, value] : GetParam().options) options += " -o " + key + "=" + value;

    directory_.Run(
        "qemu-img check -q -f vmdk ours.vmdk >&2\n"
        "qemu-img compare -f raw -F vmdk source.raw ours.vmdk >&2\n"
        "qemu-img convert -f raw -O vmdk" +
        options +
        " source.raw theirs.vmdk\n"
        "ours=$(du -k ours.vmdk | cut -f1); theirs=$(du -k theirs.vmdk | cut -f1)\n"
        "test $ours -le $((theirs * 104 / 100 + 16)) || {\n"
        "  echo \"$ours KiB, but qemu-img makes $theirs\" >&2; exit 1; }");
  }
}

TEST_P(VmdkOracleTest, OtherReadersReadWhatWasMeant) {
  WriteSampleDisk(directory_.path("source.raw"), (33 << 20) + 66048);
  Convert("source.raw", "ours.vmdk", GetParam().options);
  if (!SevenZip().empty()) {
    directory_.Run(SevenZip() + " e -tvmdk -so ours.vmdk | cmp - source.raw >&2");
  }
  directory_.Run(
      "cat > read.py <<'EOF'\n"
      "try:\n"
      "    import pyvmdk\n"
      "except ImportError:\n"
      "    raise SystemExit\n"
      "image = pyvmdk.handle()\n"
      "image.open('ours.vmdk')\n"
      "image.open_extent_data_files()\n"
      "assert image.read_buffer(image.get_media_size()) == open('source.raw', 'rb').read()\n"
      "EOF\n"
      "/usr/bin/python3 read.py");
}

TEST_P(VmdkOracleTest, NumberOfLanesMakesNoDifference) {
  WriteSampleDisk(directory_.path("source.raw"), 40 << 20);
  directory_.Run("mkdir one three");
  Convert("source.raw", "one/disk.vmdk", GetParam().options, 1);
  Convert("source.raw", "three/disk.vmdk", GetParam().options, 3);
  directory_.Run("cmp one/disk.vmdk three/disk.vmdk >&2");
}

TEST_P(VmdkOracleTest, DescriptorSaysWhatQemuImgWouldSay) {
  WriteSampleDisk(directory_.path("source.raw"), 20 << 20);
  Convert("source.raw", "disk.vmdk", GetParam().options);
  std::string options;
  for (const auto& [key, value] : GetParam().options) options += " -o " + key + "=" + value;
  directory_.Run("mkdir theirs; qemu-img convert -O vmdk" + options +
                 " source.raw theirs/disk.vmdk");

  directory_.Run(
      "for file in disk.vmdk theirs/disk.vmdk; do\n"
      "  dd if=$file bs=512 skip=1 count=20 status=none | tr -d '\\0' |\n"
      "    grep -v -e '^CID' -e '^$' > $file.txt; done\n"
      "diff disk.vmdk.txt theirs/disk.vmdk.txt >&2");
}

INSTANTIATE_TEST_SUITE_P(
    Vmdk, VmdkOracleTest,
    testing::Values(Variant{"sparse", {}},
                    Variant{"lsilogic", {{"adapter_type", "lsilogic"}, {"compat6", "on"}}},
                    Variant{"versions", {{"hwversion", "17"}, {"toolsversion", "10"}}},
                    Variant{"zeroed_grain", {{"zeroed_grain", "on"}}},
                    Variant{"stream", {{"subformat", "streamOptimized"}}}),
    [](const auto& test) { return test.param.name; });

TEST_F(VmdkWriterTest, StreamIsLaidOutAsTheSpecificationSays) {
  directory_.Run(
      "truncate -s 64M source.raw\n"
      "dd if=/dev/urandom of=source.raw bs=64k count=1 seek=3 conv=notrunc status=none\n"
      "yes | dd of=source.raw bs=64k count=1 seek=600 iflag=fullblock conv=notrunc status=none");
  Convert("source.raw", "disk.vmdk", {{"subformat", "streamOptimized"}});
  const std::string file = ReadFile(directory_.path("disk.vmdk"));
  const auto header = At<vmdk::SparseExtentHeader>(file, 0);
  const auto end = At<vmdk::StreamEnd>(file, file.size() - sizeof(vmdk::StreamEnd));
  const auto first = At<vmdk::GrainMarker>(file, 128 * 512);
  // The noise fills 129 sectors: it is stored, and has a marker before it.
  const uint64_t table = (128 + 129) * 512;
  const auto marker = At<vmdk::MetadataMarker>(file, table);
  const uint64_t directory = end.footer.gdOffset * 512;

  EXPECT_EQ(header.version, 3u);
  EXPECT_EQ(header.flags, 0x30001u);
  EXPECT_EQ(header.gdOffset, vmdk::kGdAtEnd);
  EXPECT_EQ(header.overHead, 128u);
  EXPECT_EQ(end.footer_marker.type, vmdk::kMarkerFooter);
  EXPECT_EQ(end.footer_marker.numSectors, 1u);
  EXPECT_EQ(end.footer.magicNumber, vmdk::kSparseMagic);
  EXPECT_EQ(end.end_of_stream.type, vmdk::kMarkerEndOfStream);
  EXPECT_EQ(end.end_of_stream.numSectors, 0u);
  EXPECT_EQ(first.lba, 3u * 128);
  EXPECT_GT(first.size, 65536u);
  EXPECT_EQ(marker.type, vmdk::kMarkerGrainTable);
  EXPECT_EQ(marker.numSectors, 4u);
  EXPECT_EQ(At<Le32>(file, table + 512 + 3 * 4), 128u);
  EXPECT_EQ(At<vmdk::MetadataMarker>(file, directory - 512).type, vmdk::kMarkerGrainDirectory);
  EXPECT_EQ(At<Le32>(file, directory) * 512, table + 512);
}

TEST_F(VmdkWriterTest, TablesOfSparseDisksAreWrittenTwice) {
  directory_.Run(
      "truncate -s 9G source.raw\n"
      "for at in 0 70000 147455; do\n"
      "  yes $at | dd of=source.raw bs=64k count=1 seek=$at iflag=fullblock conv=notrunc "
      "status=none; done");
  Convert("source.raw", "disk.vmdk");
  const std::string file = ReadFile(directory_.path("disk.vmdk"));
  const auto header = At<vmdk::SparseExtentHeader>(file, 0);
  const auto entry = [&](uint64_t directory_sector, uint64_t grain) -> uint32_t {
    const uint32_t table = At<Le32>(file, directory_sector * 512 + grain / 512 * 4);
    return At<Le32>(file, table * 512 + grain % 512 * 4);
  };

  EXPECT_EQ(header.flags, 3u);
  for (const uint64_t directory : {uint64_t{header.gdOffset}, uint64_t{header.rgdOffset}}) {
    EXPECT_EQ(entry(directory, 0), header.overHead);
    EXPECT_EQ(entry(directory, 1), 0u);
    EXPECT_EQ(entry(directory, 70000), header.overHead + 128);
    EXPECT_EQ(entry(directory, 147455), header.overHead + 256);
  }
  EXPECT_EQ(file.size(), (header.overHead + 3 * 128) * 512);
}

TEST_F(VmdkWriterTest, ContentIdDependsOnWhereDataIs) {
  directory_.Run(
      "truncate -s 1M a.raw b.raw; echo x | dd of=a.raw conv=notrunc status=none\n"
      "echo x | dd of=b.raw seek=1000 conv=notrunc status=none");
  Convert("a.raw", "a.vmdk");
  Convert("b.raw", "b.vmdk");
  const std::string a = Descriptor("a.vmdk");
  const std::string b = Descriptor("b.vmdk");
  const size_t at = a.find("CID=");

  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(a.substr(at, 12), b.substr(at, 12));
}

TEST_F(VmdkWriterTest, NamesThatADescriptorCannotHoldAreReplaced) {
  directory_.Run("truncate -s 1M source.raw");
  Convert("source.raw", "a\"\nRW 1 FLAT \"x.vmdk");

  EXPECT_THAT(Descriptor("a\"\nRW 1 FLAT \"x.vmdk"), HasSubstr("RW 2048 SPARSE \"disk.vmdk\"\n"));
}

class VmdkFilesTest : public VmdkWriterTest, public testing::WithParamInterface<std::string> {
 protected:
  void ConvertToFiles(const std::string& source, const std::string& stem) {
    const std::string subformat = GetParam();
    const auto name = [&](uint32_t number) {
      if (subformat == "monolithicFlat") return directory_.path(stem + "-flat.vmdk");
      const char* const kind = subformat == "twoGbMaxExtentFlat" ? "-f00" : "-s00";
      return directory_.path(stem + kind + std::to_string(number + 1) + ".vmdk");
    };
    const auto result = RunConversion({.source = directory_.path(source),
                                       .source_format = "raw",
                                       .target = directory_.path(stem + ".vmdk"),
                                       .target_format = "vmdk",
                                       .options = {{"subformat", subformat}},
                                       .lanes = 3,
                                       .extents = name});
    ASSERT_TRUE(result.ok()) << result.status().message();
  }
};

TEST_P(VmdkFilesTest, QemuImgReadsWhatWasMeant) {
  if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
  directory_.Run(
      "truncate -s 4295006720 source.raw\n"
      "for at in 0 32767 32768 40000 65535; do\n"
      "  yes $at | dd of=source.raw bs=64k count=1 seek=$at iflag=fullblock conv=notrunc "
      "status=none; done\n"
      "yes end | dd of=source.raw bs=512 count=1 seek=8388684 iflag=fullblock conv=notrunc "
      "status=none");
  ConvertToFiles("source.raw", "disk");

  directory_.Run(
      "qemu-img check -q -f vmdk disk.vmdk >&2\n"
      "qemu-img compare -f raw -F vmdk source.raw disk.vmdk >&2\n"
      "qemu-img create -q -f vmdk -o subformat=" +
      GetParam() +
      " theirs.vmdk 4295006720\n"
      "grep -v CID disk.vmdk > ours.txt\n"
      "grep -v CID theirs.vmdk | sed s/theirs/disk/ > theirs.txt\n"
      "diff ours.txt theirs.txt >&2\n"
      "ls disk* > ours.txt; ls theirs*.vmdk | sed s/theirs/disk/ > theirs.txt\n"
      "diff ours.txt theirs.txt >&2");
}

TEST_P(VmdkFilesTest, TargetsOfOneFileAreRefused) {
  directory_.Run("truncate -s 1M source.raw");
  EXPECT_THAT(TryConvert("source.raw", "disk.vmdk", {{"subformat", GetParam()}}).message(),
              HasSubstr("is written to several files"));
}

INSTANTIATE_TEST_SUITE_P(Vmdk, VmdkFilesTest,
                         testing::Values("monolithicFlat", "twoGbMaxExtentSparse",
                                         "twoGbMaxExtentFlat"),
                         [](const auto& test) { return test.param; });

TEST_F(VmdkWriterTest, DisksThatTakeTooManyFilesAreRefused) {
  directory_.Run("truncate -s 600G source.raw");
  EXPECT_THAT(
      TryConvert("source.raw", "disk.vmdk", {{"subformat", "twoGbMaxExtentFlat"}}).message(),
      HasSubstr("would take 300 files; the most is 256"));
}

TEST_F(VmdkWriterTest, OptionsThatCannotBeMetAreRefused) {
  struct Refused {
    Options options;
    std::string message;
  };
  directory_.Run("truncate -s 1M source.raw");
  for (const Refused& refused : {
           Refused{{{"subformat", "vmfs"}}, "subformat=vmfs is not one of monolithicSparse"},
           Refused{{{"adapter_type", "scsi"}}, "is not one of ide, buslogic"},
           Refused{{{"compat6", "on"}, {"hwversion", "4"}}, "compat6 cannot be enabled"},
           Refused{{{"subformat", "monolithicFlat"}, {"zeroed_grain", "on"}}, "has no grains"},
           Refused{{{"hwversion", "4\"\nRW"}}, "characters that a descriptor cannot hold"},
           Refused{{{"backing_file", "a.vmdk"}}, "option backing_file: "},
           Refused{{{"preallocation", "full"}}, "option preallocation: "},
           Refused{{{"cluster_size", "64k"}}, "unknown option 'cluster_size'"},
       }) {
    EXPECT_THAT(TryConvert("source.raw", "disk.vmdk", refused.options).message(),
                HasSubstr(refused.message));
  }
}

TEST_F(VmdkWriterTest, OnlyStreamsAreCompressed) {
  directory_.Run("truncate -s 1M source.raw");
  TestConversion conversion = {.source = directory_.path("source.raw"),
                               .target = directory_.path("disk.vmdk"),
                               .target_format = "vmdk",
                               .compress = true};

  EXPECT_THAT(RunConversion(conversion).status().message(),
              HasSubstr("-c needs -o subformat=streamOptimized"));
  conversion.options = {{"subformat", "streamOptimized"}};
  EXPECT_TRUE(RunConversion(conversion).ok());
}

}  // namespace
}  // namespace hotcell::guest
