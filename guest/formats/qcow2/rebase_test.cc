// Another backing file in images of qemu-img's, which reads what comes out.
#include "guest/formats/qcow2/rebase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "guest/formats/qcow2/edit_bench.h"
#include "guest/formats/qcow2/header.h"
#include "guest/formats/testing/oracle.h"

namespace hotcell::guest::qcow2 {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A way to make image.qcow2.
struct Image {
  std::string name;
  std::string script;
};

void PrintTo(const Image& image, std::ostream* out) { *out << image.name; }

std::string Create(const std::string& options) {
  return "qemu-img create -q -u -f qcow2 " + options + " image.qcow2 1M\n";
}

std::vector<Image> Images() {
  return {
      {"Alone", Create("")},
      {"Backed", Create("-b old.raw -F raw")},
      {"LongName", Create("-b " + std::string(900, 'o') + " -F raw")},
      {"Version2", Create("-o compat=0.10 -b old.raw -F raw")},
      {"SmallClusters", Create("-o cluster_size=1k -b old.raw -F raw")},
      {"Bitmaps", Create("") + "qemu-img bitmap --add image.qcow2 first\n"},
      {"DataFile", Create("-o data_file=data")},
      {"Zstd", Create("-o compression_type=zstd,extended_l2=on")},
  };
}

EditBench::Edit Rebase(const std::string& name, const std::string& format, bool* fits = nullptr) {
  return [=](IoChannel& io, const FileHandle& file) -> Status {
    const Result<bool> done = RebaseQcow2(io, file, {.name = name, .format = format});
    if (!done.ok()) return done.status();
    if (fits != nullptr) *fits = *done;
    return OkStatus();
  };
}

class RebaseTest : public testing::TestWithParam<Image> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
    directory_.Run(GetParam().script);
    image_ = bench_.Load("image.qcow2");
  }

  // What qemu-img says of an image, but for what changes with the file.
  json Info(const Bytes& image) const {
    EXPECT_EQ(bench_.Damage(image, /*strict=*/true), "");
    bench_.Store("info.qcow2", image);
    return QemuImgInfo(directory_, "info.qcow2", "qcow2");
  }

  const TemporaryDirectory directory_;
  const EditBench bench_{directory_};
  Bytes image_;
};

TEST_P(RebaseTest, SaysWhatQemuImgMakesItSay) {
  const std::pair<std::string, std::string> names[] = {
      {"new.qcow2", "qcow2"}, {std::string(300, 'n'), "raw"}, {"", ""}, {"x", "vmdk"}};
  Bytes image = image_;
  for (const auto& [name, format] : names) {
    SCOPED_TRACE(name);
    const EditBench::Edited edited = bench_.Run(image, Rebase(name, format));
    ASSERT_TRUE(edited.status.ok()) << edited.status.message();
    directory_.Run("qemu-img rebase -u -f qcow2 -b '" + name + "' " +
                   (format.empty() ? "" : "-F " + format) + " image.qcow2");
    EXPECT_EQ(Info(edited.bytes), Info(bench_.Load("image.qcow2")));
    // Nothing but the first cluster is touched.
    const auto header = static_cast<ptrdiff_t>(std::min<size_t>(image.size(), 64 << 10));
    EXPECT_EQ(edited.bytes.size(), image.size());
    EXPECT_TRUE(
        std::equal(edited.bytes.begin() + header, edited.bytes.end(), image.begin() + header));
    image = edited.bytes;
  }
}

TEST_P(RebaseTest, IsOneWrite) {
  const EditBench::Edited edited = bench_.Run(image_, Rebase("new.raw", "raw"));
  EXPECT_EQ(edited.changes, 1u);
  const EditBench::Edited killed = bench_.Run(image_, Rebase("new.raw", "raw"), /*changes=*/0);
  EXPECT_FALSE(killed.status.ok());
  EXPECT_TRUE(killed.bytes == image_);
}

INSTANTIATE_TEST_SUITE_P(Qcow2, RebaseTest, testing::ValuesIn(Images()),
                         [](const auto& test) { return test.param.name; });

class RebaseRefusalTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img is not installed";
  }

  const TemporaryDirectory directory_;
  const EditBench bench_{directory_};
};

TEST_F(RebaseRefusalTest, ANameNeedsRoom) {
  directory_.Run(Create("-o cluster_size=512"));
  const Bytes image = bench_.Load("image.qcow2");
  bool fits = true;
  const EditBench::Edited edited = bench_.Run(image, Rebase(std::string(400, 'n'), "raw", &fits));
  ASSERT_TRUE(edited.status.ok()) << edited.status.message();
  EXPECT_FALSE(fits);
  EXPECT_TRUE(edited.bytes == image);
}

TEST_F(RebaseRefusalTest, ACorruptImageStaysAsItIs) {
  directory_.Run(Create("") +
                 "printf '\\2' | dd of=image.qcow2 bs=1 seek=79 conv=notrunc status=none");
  const Bytes image = bench_.Load("image.qcow2");
  const EditBench::Edited edited = bench_.Run(image, Rebase("new", "raw"));
  EXPECT_EQ(edited.status.message(), "qcow2: Image is corrupt; cannot be opened read/write");
  EXPECT_TRUE(edited.bytes == image);
}

TEST_F(RebaseRefusalTest, ARawDataFileLeavesNoPlaceForABackingFile) {
  directory_.Run(Create("-o data_file=data,data_file_raw=on"));
  const Bytes image = bench_.Load("image.qcow2");
  EXPECT_THAT(bench_.Run(image, Rebase("new", "raw")).status.message(), HasSubstr("data file"));
}

// What nobody knows may matter to somebody.
TEST_F(RebaseRefusalTest, AnUnknownExtensionStays) {
  directory_.Run(Create(""));
  Bytes image = bench_.Load("image.qcow2");
  const char kExtension[] = "\x12\x34\x56\x78\0\0\0\5hello\0\0";
  const auto bytes = std::as_bytes(std::span(kExtension, 16));
  // The extension takes the place of the first one, the feature name table.
  std::copy(bytes.begin(), bytes.end(), image.begin() + 112);
  std::fill(image.begin() + 128, image.begin() + 1024, std::byte{0});
  const EditBench::Edited edited = bench_.Run(image, Rebase("new", "raw"));
  ASSERT_TRUE(edited.status.ok()) << edited.status.message();
  const auto found =
      std::search(edited.bytes.begin(), edited.bytes.begin() + 1024, bytes.begin(), bytes.end());
  EXPECT_NE(found, edited.bytes.begin() + 1024);
}

}  // namespace
}  // namespace hotcell::guest::qcow2
