// What the reader makes of images by qemu-img, compared with what qemu-img makes of them.
#include "guest/formats/testing/oracle.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/formats/common/check.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/formats/vmdk/test_image.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using nlohmann::json;

// A way to make image.vmdk. The directory has source.raw, a disk of 6 MiB, and the extents of
// other makers: cowd.vmdk (10000 sectors) and sesparse.vmdk (65436 sectors).
struct Variant {
  std::string name;
  std::string script;
  bool leaks = false;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

std::string Convert(const std::string& options, const std::string& size = "6M") {
  return "truncate -s " + size + " source.raw\nqemu-img convert -f raw -O vmdk -o " + options +
         " source.raw image.vmdk";
}

std::string Scatter(const std::string& options, const std::string& size) {
  return "qemu-img create -q -f vmdk -o " + options + " image.vmdk " + size +
         "\n"
         "qemu-io -f vmdk -c 'write -P 17 1M 300k' -c 'write -P 18 65536 512' -c 'write -P 19 0 "
         "64k' -c 'write -z 1100k 40k' -c 'write -P 20 1536k 1' -c 'write -z 64k 64k' "
         "image.vmdk > /dev/null";
}

std::string Descriptor(const std::string& type, const std::string& extents) {
  return "cat > image.vmdk <<'END'\n" + vmdk::DescriptorText(type, extents) + "END\n";
}

std::vector<Variant> Variants() {
  std::vector<Variant> variants = {
      {"zeroed_grains", Scatter("zeroed_grain=on", "6M"), /*leaks=*/true},
      {"compat6", Scatter("compat6", "6M")},
      {"beyond_4g",
       "qemu-img create -q -f vmdk image.vmdk 9G\n"
       "qemu-io -f vmdk -c 'write -P 5 5G 100k' -c 'write -P 6 9663610880 64k' "
       "image.vmdk >/dev/null"},
      {"sparse_1100g",
       "qemu-img create -q -f vmdk image.vmdk 1100G\n"
       "qemu-io -f vmdk -c 'write -P 5 1090G 100k' image.vmdk >/dev/null"},
      {"two_sparse_extents",
       "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse image.vmdk 3G\n"
       "qemu-io -f vmdk -c 'write -P 5 2047M 2M' -c 'write -P 6 3221225000 472' "
       "image.vmdk >/dev/null"},
      {"two_flat_extents",
       "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentFlat image.vmdk 3G\n"
       "qemu-io -f vmdk -c 'write -P 5 2047M 2M' -c 'write -P 6 3221225000 472' "
       "image.vmdk >/dev/null"},
      {"flat_at_an_offset",
       Descriptor("monolithicFlat",
                  "RW 100 FLAT \"source.raw\" 200\nRW 50 FLAT \"source.raw\" 0\n")},
      {"vmfs", Descriptor("vmfs", "RW 12288 VMFS \"source.raw\"\n")},
      {"vmfs_sparse", Descriptor("vmfsSparse", "RW 10000 VMFSSPARSE \"cowd.vmdk\"\n")},
      {"se_sparse", Descriptor("seSparse", "RW 65436 SESPARSE \"sesparse.vmdk\"\n")},
      {"mixed_extents",
       Descriptor("vmfsSparse",
                  "RW 10000 VMFSSPARSE \"cowd.vmdk\"\nRW 100 FLAT \"source.raw\" 7\n"
                  "RW 65436 SESPARSE \"sesparse.vmdk\"\n")},
      {"windows_line_ends",
       Descriptor("vmfs", "RW 12288 VMFS \"source.raw\"\n") + "sed -i 's/$/\\r/' image.vmdk"},
      {"parent",
       "qemu-img convert -O vmdk source.raw base.vmdk\n"
       "qemu-img create -q -f vmdk -b base.vmdk -F vmdk image.vmdk\n"
       "qemu-io -f vmdk -c 'write -P 3 1M 100000' image.vmdk >/dev/null"},
      {"parent_with_zeroed_grains",
       "qemu-img convert -O vmdk source.raw base.vmdk\n"
       "qemu-img create -q -f vmdk -o zeroed_grain=on -b base.vmdk -F vmdk image.vmdk\n"
       "qemu-io -f vmdk -c 'write -P 3 1M 100000' -c 'write -z 2M 1M' image.vmdk >/dev/null"},
      {"parent_stream",
       "qemu-img convert -O vmdk -o subformat=streamOptimized source.raw base.vmdk\n"
       "qemu-img create -q -f vmdk -b base.vmdk -F vmdk image.vmdk\n"
       "qemu-io -f vmdk -c 'write -P 3 1M 100000' image.vmdk >/dev/null"},
      {"parent_of_a_parent",
       "qemu-img convert -O vmdk source.raw base.vmdk\n"
       "qemu-img create -q -f vmdk -b base.vmdk -F vmdk middle.vmdk\n"
       "qemu-io -f vmdk -c 'write -P 3 1M 100000' middle.vmdk >/dev/null\n"
       "qemu-img create -q -f vmdk -b middle.vmdk -F vmdk image.vmdk\n"
       "qemu-io -f vmdk -c 'write -P 4 1100k 200000' image.vmdk >/dev/null"},
  };
  for (const char* type : {"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
                           "twoGbMaxExtentFlat", "streamOptimized"}) {
    const std::string option = std::string("subformat=") + type;
    variants.push_back({std::string(type) + "_converted", Convert(option)});
    variants.push_back({std::string(type) + "_odd_sectors", Convert(option, "5000704")});
    variants.push_back({std::string(type) + "_one_sector", Convert(option, "512")});
    variants.push_back({std::string(type) + "_empty",
                        "qemu-img create -q -f vmdk -o " + option + " image.vmdk 3M"});
    if (type != std::string("streamOptimized")) {
      variants.push_back({std::string(type) + "_scattered", Scatter(option, "5M")});
    }
  }
  return variants;
}

void WriteFile(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::byte> EsxExtent() {
  vmdk::CowdFile file;
  for (const uint64_t number : {0, 1, 3, 7, 4095}) {
    file.SetGrain(number, file.AppendGrain(static_cast<uint8_t>(number + 1)));
  }
  return file.Bytes();
}

std::vector<std::byte> SeSparseExtent() {
  vmdk::SeSparseFile file;
  file.SetTable(0, vmdk::kSeSparseGdeAllocated | 1);
  file.SetTable(1, vmdk::kSeSparseGdeAllocated | 0);
  for (const uint64_t number : {0, 2, 3, 4, 1000}) {
    file.SetGrain(1, number, file.AppendGrain(static_cast<uint8_t>(number + 1)));
  }
  file.SetGrain(1, 5, vmdk::kSeSparseGteZero);
  file.SetGrain(1, 6, vmdk::kSeSparseGteUnmapped);
  file.SetGrain(0, 4083, file.AppendGrain(99));
  return file.Bytes();
}

class VmdkOracleTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed (qemu-utils)";
    WriteSampleDisk(directory_.path("source.raw"), 6 << 20);
    WriteFile(directory_.path("cowd.vmdk"), EsxExtent());
    WriteFile(directory_.path("sesparse.vmdk"), SeSparseExtent());
    directory_.Run(GetParam().script);
    files_.set_reference_opener(
        [this](uint32_t, ReferenceKind, std::string_view name) -> NativeFiles::Opened {
          const int fd = open(directory_.path(std::string(name)).c_str(), O_RDONLY | O_CLOEXEC);
          if (fd < 0) return {.status = IoStatus::kNotFound, .file = nullptr};
          return {.status = IoStatus::kOk, .file = std::make_unique<FdFile>(fd)};
        });
    image_ = files_.AddPath(directory_.path("image.vmdk"), O_RDONLY);
    ASSERT_NE(image_.slot, NativeFiles::kNoSlot);
  }

  void ExpectSame(size_t buffer_count, size_t buffer_size) {
    directory_.Run("qemu-img convert -f vmdk -O raw image.vmdk expected.raw");
    NativeChannel io(files_, buffer_count, buffer_size);

    const auto chain = ImageChain::Open(io, {.file = image_, .format = {}}, {});
    ASSERT_TRUE(chain.ok()) << chain.status().message();
    EXPECT_EQ((*chain)->format(), "vmdk");
    const auto difference =
        DiskReader(io, **chain)
            .CompareWith(directory_.path("expected.raw"), (*chain)->virtual_size());
    ASSERT_TRUE(difference.ok()) << difference.status().message();
    EXPECT_EQ(*difference, "");
  }

  TemporaryDirectory directory_;
  NativeFiles files_;
  FileHandle image_;
};

TEST_P(VmdkOracleTest, ReadsWhatQemuImgReads) {
  ExpectSame(NativeChannel::kDefaultBufferCount, NativeChannel::kDefaultBufferSize);
}

TEST_P(VmdkOracleTest, ReadsTheSameThroughSmallBuffers) { ExpectSame(2, 64 << 10); }

json Describe(const ImageDescription& description) {
  json out = {{"format", description.format},
              {"virtual-size", description.virtual_size},
              {"dirty-flag", description.dirty}};
  if (description.cluster_size != 0) out["cluster-size"] = description.cluster_size;
  if (description.backing) {
    out["backing-filename"] = description.backing->name;
    out["backing-filename-format"] = description.backing->format;
  }
  out["format-specific"] = FormatSpecific(description, "image.vmdk");
  return out;
}

TEST_P(VmdkOracleTest, DescribesWhatQemuImgDescribes) {
  json expected = QemuImgInfo(directory_, "image.vmdk", "vmdk");
  // qemu-img does not tell the flag of a disk whose extents differ.
  expected.emplace("dirty-flag", false);
  NativeChannel io(files_);

  const auto reader = FindFormat("vmdk")->open(io, image_, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ(Describe((*reader)->Describe()), expected);
}

// Without the extents, their grains are not known.
TEST_P(VmdkOracleTest, DescribesTheSameWithoutOpeningExtents) {
  files_.set_reference_opener({});
  json expected = QemuImgInfo(directory_, "image.vmdk", "vmdk");
  json& data = expected["format-specific"]["data"];
  NativeChannel io(files_);

  const auto reader = FindFormat("vmdk")->open(io, image_, {.describe_only = true});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  const json described = Describe((*reader)->Describe());
  EXPECT_EQ(described["virtual-size"], expected["virtual-size"]);
  for (const char* key : {"cid", "parent-cid", "create-type"}) {
    EXPECT_EQ(described["format-specific"]["data"][key], data[key]) << key;
  }
  EXPECT_EQ(described["format-specific"]["data"]["extents"].size(), data["extents"].size());
}

TEST_P(VmdkOracleTest, FindsNothingWrongWhereQemuImgFindsNothing) {
  directory_.Run("qemu-img check -q -f vmdk image.vmdk");
  NativeChannel io(files_);

  const auto result = FindFormat("vmdk")->check(io, image_, {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  for (const CheckFinding& finding : result->findings) {
    // Grains that were zeroed stay behind.
    if (finding.kind == CheckFinding::Kind::kLeak && GetParam().leaks) continue;
    ADD_FAILURE() << finding.text;
  }
  EXPECT_EQ(result->leaks > 0, GetParam().leaks);
}

// Images of another maker than QEMU.
TEST(VmdkBximageTest, ReadsWhatBximageWrites) {
  const TemporaryDirectory directory;
  if (!directory.Run("command -v bximage || true").starts_with('/')) {
    GTEST_SKIP() << "bximage is not installed (bximage)";
  }
  WriteSampleDisk(directory.path("source.raw"), 6 << 20);
  directory.Run("bximage -q -func=convert -imgmode=vmware4 source.raw image.vmdk >/dev/null");
  NativeFiles files;
  const FileHandle image = files.AddPath(directory.path("image.vmdk"), O_RDONLY);
  NativeChannel io(files);

  const auto chain = ImageChain::Open(io, {.file = image, .format = {}}, {});
  ASSERT_TRUE(chain.ok()) << chain.status().message();
  const auto difference =
      DiskReader(io, **chain).CompareWith(directory.path("source.raw"), (*chain)->virtual_size());
  ASSERT_TRUE(difference.ok()) << difference.status().message();
  EXPECT_EQ(*difference, "");
  const auto result = FindFormat("vmdk")->check(io, image, {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->corruptions + result->check_errors, 0u);
}

INSTANTIATE_TEST_SUITE_P(Vmdk, VmdkOracleTest, testing::ValuesIn(Variants()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hotcell::guest
