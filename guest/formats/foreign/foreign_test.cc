#include "guest/formats/foreign/foreign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::HasSubstr;

// A file of 64 KiB with pieces in it.
class FileBuilder {
 public:
  FileBuilder& Put(size_t offset, const std::string& piece) {
    std::transform(piece.begin(), piece.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset),
                   [](char c) { return static_cast<std::byte>(c); });
    return *this;
  }
  // One partition of Linux.
  FileBuilder& PutPartitionTable() {
    Put(446, "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0"s);
    return Put(510, "\x55\xaa"s);
  }
  std::unique_ptr<MemoryFile> Make() const { return std::make_unique<MemoryFile>(bytes_); }

 private:
  std::vector<std::byte> bytes_ = std::vector<std::byte>(64 << 10);
};

class ForeignTest : public testing::Test {
 protected:
  std::vector<std::string> Probe(const FileBuilder& file) {
    const auto formats = ProbeAllFormats(io_, files_.Add(file.Make()));
    std::vector<std::string> names;
    for (const FormatDriver* const format : *formats) names.emplace_back(format->name);
    return names;
  }

  NativeFiles files_;
  NativeChannel io_{files_};
};

struct Sample {
  std::string name;  // of the driver
  size_t offset;
  std::string bytes;
  std::string message;  // a part of it
};

void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }

class ForeignSampleTest : public ForeignTest, public testing::WithParamInterface<Sample> {};

TEST_P(ForeignSampleTest, IsNamedAndRefusedWithAdvice) {
  const FileHandle file = files_.Add(FileBuilder().Put(GetParam().offset, GetParam().bytes).Make());

  const auto chain = ImageChain::Open(io_, {.file = file, .format = {}}, {});

  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.status().code(), Code::kUnsupported);
  EXPECT_THAT(chain.status().message(), testing::StartsWith(GetParam().name + ": this is "));
  EXPECT_THAT(chain.status().message(), HasSubstr(GetParam().message));
  EXPECT_THAT(chain.status().message(), HasSubstr("-f raw"));
}

TEST_P(ForeignSampleTest, IsReadAsRawWhenAskedTo) {
  const FileHandle file = files_.Add(FileBuilder().Put(GetParam().offset, GetParam().bytes).Make());

  EXPECT_TRUE(ImageChain::Open(io_, {.file = file, .format = "raw"}, {}).ok());
}

TEST_P(ForeignSampleTest, IsRawFirstBehindAPartitionTable) {
  FileBuilder file;
  file.Put(GetParam().offset, GetParam().bytes).PutPartitionTable();

  EXPECT_EQ(Probe(file).front(), "raw");
}

INSTANTIATE_TEST_SUITE_P(
    Foreign, ForeignSampleTest,
    testing::Values(
        Sample{"luks1", 0, "LUKS\xba\xbe\0\1"s, "encrypted with LUKS1"},
        Sample{"luks2", 0, "LUKS\xba\xbe\0\2"s, "cryptsetup open"},
        Sample{"bitlocker", 0, "\xeb\x58\x90-FVE-FS-"s, "BitLocker"},
        Sample{"gzip", 0, "\x1f\x8b\x08", "unpack it first (gunzip)"},
        Sample{"xz", 0,
               "\xfd"
               "7zXZ\0"s,
               "unxz"},
        Sample{"zstd", 0, "\x28\xb5\x2f\xfd", "unzstd"},
        Sample{"bzip2", 0, "BZh9\x31\x41\x59\x26\x53\x59", "bunzip2"},
        Sample{"lz4", 0, "\x04\x22\x4d\x18", "unlz4"}, Sample{"lzip", 0, "LZIP\1", "lzip -d"},
        Sample{"lzop", 0, "\x89LZO\0\r\n\x1a\n"s, "lzop -d"},
        Sample{"android-sparse", 0, "\x3a\xff\x26\xed\1\0"s, "simg2img"},
        Sample{"sparseimage", 0, std::string("sprs\0\0\0\3", 8), "hdiutil convert"},
        Sample{"partclone", 0, "partclone-image0002", "partclone.restore"},
        Sample{"tar", 257, "ustar\0"s, "as an OVA is"}, Sample{"tar", 257, "ustar  ", "tar -xf"},
        Sample{"zip", 0, "PK\3\4", "unzip"}, Sample{"7z", 0, "7z\xbc\xaf\x27\x1c", "7z x"},
        Sample{"rar", 0, "Rar!\x1a\7\1", "unrar"}, Sample{"cpio", 0, "070701", "cpio -i"},
        Sample{"wim", 0, "MSWIM\0\0\0"s, "wimapply"},
        Sample{"ewf", 0, "EVF\t\r\n\xff\0"s, "ewfexport"},
        Sample{"ewf", 0, "EVF2\r\n\x81\0"s, "EnCase"},
        Sample{"aff", 0, "AFF10\r\n\0"s, "affconvert"},
        Sample{"iso9660", 0x8001, "CD001", "a CD or DVD"},
        Sample{"squashfs", 0, "hsqs", "unsquashfs"}, Sample{"vmstate", 0, "QEVM\0\0\0\3"s, "QEMU"}),
    [](const auto& test) {
      std::string name = test.param.name + "_" + std::to_string(test.index);
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST_F(ForeignTest, Aff4IsKnownFromAnyOtherZipArchive) {
  EXPECT_THAT(Probe(FileBuilder().Put(0, "PK\3\4").Put(30, "container.description")),
              ElementsAre("aff4", "zip", "raw"));
}

TEST_F(ForeignTest, DiskImagesAreSurerThanWhatLiesBehindTheirHeaders) {
  EXPECT_THAT(Probe(FileBuilder().Put(0, "QFI\xfb\0\0\0\3"s).Put(0x8001, "CD001")),
              ElementsAre("qcow2", "iso9660", "raw"));
}

TEST_F(ForeignTest, HybridIsoIsADiskAndSeenToBeAnIsoToo) {
  EXPECT_THAT(Probe(FileBuilder().PutPartitionTable().Put(0x8001, "CD001")),
              ElementsAre("raw", "iso9660"));
}

TEST_F(ForeignTest, OneByteOfASignatureIsNotEnough) {
  EXPECT_THAT(Probe(FileBuilder().Put(0, "\x1f\x8b\x07")), ElementsAre("raw"));
  EXPECT_THAT(Probe(FileBuilder().Put(258, "ustar\0"s)), ElementsAre("raw"));
}

TEST_F(ForeignTest, ShortFilesAreRaw) {
  const FileHandle file =
      files_.Add(std::make_unique<MemoryFile>(std::vector<std::byte>(2, std::byte{0x1f})));

  const auto format = ProbeFormat(io_, file);

  ASSERT_TRUE(format.ok());
  EXPECT_EQ((*format)->name, "raw");
}

}  // namespace
}  // namespace hotcell::guest
