// What a file is taken for when nobody says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/dmg/on_disk.h"
#include "guest/formats/vpc/footer.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using testing::ElementsAre;
using std::string_literals::operator""s;

constexpr uint64_t kDiskSize = 64 << 10;

template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

class ProbeTest : public testing::Test {
 protected:
  FileHandle Add(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return files_.Add(
        std::make_unique<MemoryFile>(std::vector<std::byte>(bytes.begin(), bytes.end())));
  }
  std::vector<std::string> Probe(std::string_view text) {
    const auto formats = ProbeAllFormats(io_, Add(text));
    EXPECT_TRUE(formats.ok()) << formats.status().message();
    std::vector<std::string> names;
    for (const FormatDriver* const format : *formats) names.emplace_back(format->name);
    return names;
  }

  NativeFiles files_;
  NativeChannel io_{files_};
};

// ---- Files shorter than a sector
// -----------------------------------------------------------------

struct Header {
  std::string name;  // of the format
  std::string bytes;
  size_t shown;  // so many of them, the rest being zero, are what qemu-img takes for the format
};

void PrintTo(const Header& header, std::ostream* out) { *out << header.name; }

std::string At(size_t offset, const std::string& bytes) {
  std::string out(offset + bytes.size(), '\0');
  return out.replace(offset, bytes.size(), bytes);
}

class ShortFileTest : public ProbeTest, public testing::WithParamInterface<Header> {};

TEST_P(ShortFileTest, IsTakenForWhatItBeginsWith) {
  std::string whole = GetParam().bytes;
  whole.resize(511, '\1');
  for (size_t size = 1; size < 512; ++size) {
    const std::string format = Probe(whole.substr(0, size)).front();
    EXPECT_EQ(format, size < GetParam().shown ? "raw" : GetParam().name) << size;
  }
}

// Either it cannot be opened, or it is what QEMU makes of it; it is never raw.
TEST_P(ShortFileTest, IsNotOpenedAsTheFormatItIsNot) {
  std::string whole = GetParam().bytes;
  whole.resize(511, '\1');
  for (size_t size = GetParam().shown; size < 512; ++size) {
    const FileHandle file = Add(whole.substr(0, size));
    EXPECT_FALSE(FindFormat(GetParam().name)->open(io_, file, {.describe_only = true}).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, ShortFileTest,
    testing::Values(Header{"qcow2", "QFI\xfb\0\0\0\3"s, 8}, Header{"qcow", "QFI\xfb\0\0\0\1"s, 8},
                    Header{"vmdk", "KDMV"s, 4}, Header{"vpc", "conectix"s, 8},
                    Header{"vhdx", "vhdxfile"s, 8}, Header{"vdi", At(64, "\x7f\x10\xda\xbe"s), 68},
                    Header{"qed", "QED\0"s, 3},
                    Header{"parallels", "WithoutFreeSpace\2\0\0\0"s, 17},
                    Header{"bochs",
                           "Bochs Virtual HD Image"s + std::string(10, '\0') + "Redolog"s +
                               std::string(9, '\0') + "Growing"s + std::string(9, '\0') +
                               "\0\0\2\0"s,
                           67},
                    Header{"cloop",
                           "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 "
                           "/dev/cloop $1\n"s,
                           83}),
    [](const auto& test) { return test.param.name; });

// ---- Trailers
// ------------------------------------------------------------------------------------

class TrailerTest : public ProbeTest {
 protected:
  static std::string VhdFooter(uint64_t size) {
    vpc::Footer footer = {};
    std::copy(vpc::kFooterCookie.begin(), vpc::kFooterCookie.end(), footer.cookie);
    footer.file_format_version = vpc::kFormatVersion;
    footer.current_size = size;
    footer.disk_type = vpc::kTypeFixed;
    footer.checksum = vpc::ChecksumOf(footer);
    return Bytes(footer);
  }
  // A trailer after a disk of kDiskSize, that many bytes of which it says are the property list.
  static std::string DmgTrailer(uint64_t list_offset, uint64_t list_length) {
    dmg::Trailer trailer = {};
    trailer.signature = dmg::kTrailerSignature;
    trailer.version = dmg::kTrailerVersion;
    trailer.header_size = uint32_t{sizeof(trailer)};
    trailer.xml_offset = list_offset;
    trailer.xml_length = list_length;
    return Bytes(trailer);
  }
  static void PutMbr(std::string& disk) {
    disk.replace(446, 16, "\x80\0\2\0\x83\xff\xff\xff\0\x8\0\0\0\x20\0\0"s);
    disk.replace(510, 2, "\x55\xaa");
  }

  std::string disk_ = std::string(kDiskSize, '\0');
};

TEST_F(TrailerTest, FixedVhdIsKnownByAFooterThatAccountsForTheFile) {
  EXPECT_THAT(Probe(disk_ + VhdFooter(kDiskSize)), ElementsAre("vpc", "raw"));
  for (const uint64_t size : {uint64_t{0}, kDiskSize - 512, kDiskSize + 512, uint64_t{1} << 63}) {
    EXPECT_THAT(Probe(disk_ + VhdFooter(size)), ElementsAre("raw")) << size;
  }
}

TEST_F(TrailerTest, FixedVhdNeedsARightChecksum) {
  std::string footer = VhdFooter(kDiskSize);
  footer[100] = 'x';
  EXPECT_THAT(Probe(disk_ + footer), ElementsAre("raw"));
}

TEST_F(TrailerTest, DmgIsKnownByPartsThatReachTheTrailer) {
  EXPECT_THAT(Probe(disk_ + DmgTrailer(kDiskSize - 1000, 1000)), ElementsAre("dmg", "raw"));
  EXPECT_THAT(Probe(disk_ + DmgTrailer(kDiskSize - 1000, 600)), ElementsAre("dmg", "raw"));
  for (const uint64_t offset : {uint64_t{0}, kDiskSize - 2000, kDiskSize, UINT64_MAX}) {
    EXPECT_THAT(Probe(disk_ + DmgTrailer(offset, 1000)), ElementsAre("raw")) << offset;
  }
  EXPECT_THAT(Probe(disk_ + DmgTrailer(1000, UINT64_MAX)), ElementsAre("raw"));
}

TEST_F(TrailerTest, DmgMayEndInACodeSignature) {
  std::string trailer = DmgTrailer(0, 1000);
  const Be64 offset(kDiskSize - 2000);
  const Be64 length(2000);
  trailer.replace(offsetof(dmg::Trailer, code_signature_offset), 8, Bytes(offset));
  trailer.replace(offsetof(dmg::Trailer, code_signature_length), 8, Bytes(length));
  EXPECT_THAT(Probe(disk_ + trailer), ElementsAre("dmg", "raw"));
}

TEST_F(TrailerTest, PartitionTableAtTheStartWins) {
  std::string mbr = disk_;
  PutMbr(mbr);
  std::string gpt = disk_;
  gpt.replace(512, 8, "EFI PART");
  std::string gpt_4096 = disk_;
  gpt_4096.replace(4096, 8, "EFI PART");
  for (const std::string& disk : {mbr, gpt, gpt_4096}) {
    EXPECT_THAT(Probe(disk + VhdFooter(kDiskSize)), ElementsAre("raw", "vpc"));
    EXPECT_THAT(Probe(disk + DmgTrailer(kDiskSize - 1000, 1000)), ElementsAre("raw", "dmg"));
  }
}

}  // namespace
}  // namespace hotcell::guest
