#include "guest/formats/signatures/signature_table.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "guest/formats/dmg/on_disk.h"
#include "guest/formats/parallels/on_disk.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qed/on_disk.h"
#include "guest/formats/vdi/on_disk.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/formats/vmdk/on_disk.h"
#include "guest/formats/vpc/on_disk.h"

namespace hotcell::guest {
namespace {

using namespace std::string_view_literals;
using Kind = SignatureKind;
using enum SignaturePlace;

// The bytes of a magic number that its format's header holds.
constexpr std::array<char, 4> BigEndian(uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
          static_cast<char>(number >> 8), static_cast<char>(number)};
}
constexpr std::array<char, 4> LittleEndian(uint32_t number) {
  std::array<char, 4> bytes = BigEndian(number);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}
template <const std::array<char, 4>& kBytes>
constexpr std::string_view kText{kBytes.data(), kBytes.size()};

constexpr auto kQcow = BigEndian(qcow2::kMagic);
constexpr auto kQed = LittleEndian(qed::kMagic);
constexpr auto kVmdk = LittleEndian(vmdk::kSparseMagic);
constexpr auto kCowd = LittleEndian(vmdk::kCowdMagic);
constexpr auto kVdi = LittleEndian(vdi::kSignature);
constexpr auto kKoly = BigEndian(dmg::kTrailerSignature);

constexpr uint8_t kByInspectAndRaw = kByInspect | kByRaw;
constexpr uint8_t kByInspectAndProbe = kByInspect | kByProbe;
constexpr uint8_t kByRawAndProbe = kByRaw | kByProbe;
constexpr uint8_t kByAll = kByInspect | kByRaw | kByProbe;

// clang-format off
constexpr SignatureRow kRows[] = {
    // What disks begin with. All that raw looks for lies in kDiskContentsArea.
    {Kind::kGpt, kStart, 512, "EFI PART"sv, kByInspectAndRaw},
    {Kind::kGpt, kStart, 4096, "EFI PART"sv, kByInspectAndRaw},
    // ECMA-119: the primary volume descriptor. Behind it, ECMA-167's volume recognition sequence.
    {Kind::kIso9660, kStart, 0x8001, "CD001"sv, kByAll},
    {Kind::kUdf, kStart, 0x8001, "BEA01"sv, kByInspect},
    {Kind::kUdf, kStart, 0x8001, "NSR02"sv, kByInspect},
    {Kind::kUdf, kStart, 0x8001, "NSR03"sv, kByInspect},
    {Kind::kUdf, kStart, 0x8801, "NSR02"sv, kByInspectAndRaw},
    {Kind::kUdf, kStart, 0x8801, "NSR03"sv, kByInspectAndRaw},
    {Kind::kUdf, kStart, 0x9001, "NSR02"sv, kByRaw},
    {Kind::kUdf, kStart, 0x9001, "NSR03"sv, kByRaw},
    {Kind::kSquashfs, kStart, 0, "hsqs"sv, kByAll},
    {Kind::kXfs, kStart, 0, "XFSB"sv, kByInspectAndRaw},
    {Kind::kBtrfs, kStart, 0x10040, "_BHRfS_M"sv, kByInspectAndRaw, true},
    {Kind::kNtfs, kStart, 3, "NTFS    "sv, kByInspectAndRaw},
    {Kind::kExfat, kStart, 3, "EXFAT   "sv, kByInspectAndRaw},
    {Kind::kFat, kStart, 54, "FAT1"sv, kByInspect},
    {Kind::kFat12, kStart, 54, "FAT12   "sv, kByRaw},
    {Kind::kFat16, kStart, 54, "FAT16   "sv, kByRaw},
    {Kind::kFat, kStart, 82, "FAT32"sv, kByInspect},
    {Kind::kFat32, kStart, 82, "FAT32   "sv, kByRaw},
    {Kind::kBitlocker, kStart, 3, "-FVE-FS-"sv, kByRawAndProbe},
    // "LUKS1 On-Disk Format Specification", "LUKS2 On-Disk Format Specification": magic, version.
    {Kind::kLuks, kStart, 0, "LUKS\xba\xbe"sv, kByInspectAndRaw},
    {Kind::kLuks1, kStart, 0, "LUKS\xba\xbe\0\1"sv, kByProbe},
    {Kind::kLuks2, kStart, 0, "LUKS\xba\xbe\0\2"sv, kByProbe},
    {Kind::kF2fs, kStart, 1024, "\x10\x20\xf5\xf2"sv, kByRaw},
    {Kind::kErofs, kStart, 1024, "\xe2\xe1\xf5\xe0"sv, kByRaw},
    {Kind::kHfsPlus, kStart, 1024, "H+\0\4"sv, kByRaw},
    {Kind::kHfsx, kStart, 1024, "HX\0\5"sv, kByRaw},
    {Kind::kApfs, kStart, 32, "NXSB"sv, kByRaw},
    {Kind::kJfs, kStart, 0x8000, "JFS1"sv, kByRaw},
    {Kind::kReiserfs, kStart, 0x10034, "ReIsEr2Fs"sv, kByRaw},
    {Kind::kReiserfs, kStart, 0x10034, "ReIsEr3Fs"sv, kByRaw},
    {Kind::kCramfs, kStart, 0, "\x45\x3d\xcd\x28"sv, kByRaw},
    {Kind::kSwap, kStart, 4086, "SWAPSPACE2"sv, kByRaw},
    {Kind::kSwap, kStart, 4086, "SWAP-SPACE"sv, kByRaw},
    {Kind::kRaidMember, kStart, 0, "\xfc\x4e\x2b\xa9"sv, kByRaw},
    {Kind::kRaidMember, kStart, 4096, "\xfc\x4e\x2b\xa9"sv, kByRaw},
    // Raw knows one by more than its label, and in any of four sectors.
    {Kind::kLvm, kStart, 512, "LABELONE"sv, kByInspect},

    // Programs.
    {Kind::kElfProgram, kStart, 0, "\x7f" "ELF"sv, kByInspectAndRaw},
    {Kind::kDosProgram, kStart, 0, "MZ"sv, kByInspectAndRaw},
    {Kind::kScript, kStart, 0, "#!"sv, kByInspect},

    // Disk images behind the first sector of a disk.
    {Kind::kQcowImage, kStart, 512, kText<kQcow>, kByRaw},
    {Kind::kVmdkImage, kStart, 512, kText<kVmdk>, kByRaw},
    {Kind::kVhdFooter, kStart, 512, vpc::kFooterCookie, kByRaw},
    {Kind::kVhdxImage, kStart, 512, vhdx::kFileSignature, kByRaw},
    {Kind::kQcowImage, kSector, 0, kText<kQcow>, kByInspect, true},
    {Kind::kQedImage, kSector, 0, kText<kQed>, kByInspect, true},
    {Kind::kVmdkImage, kSector, 0, kText<kVmdk>, kByInspect, true},
    {Kind::kVmdkImage, kSector, 0, kText<kCowd>, kByInspect, true},
    {Kind::kVmdkDescriptor, kSector, 0, "# Disk DescriptorFile"sv, kByInspect, true},
    {Kind::kVhdxImage, kSector, 0, vhdx::kFileSignature, kByInspect, true},
    {Kind::kParallelsImage, kSector, 0, parallels::kMagic, kByInspect, true},
    {Kind::kParallelsImage, kSector, 0, parallels::kMagicExtended, kByInspect, true},
    {Kind::kVdiImage, kSector, vdi::kSignatureOffset, kText<kVdi>, kByInspect, true},
    {Kind::kLuks, kSector, 0, "LUKS\xba\xbe"sv, kByInspect, true},

    // What files end with.
    {Kind::kGptBackup, kEnd, 0, "EFI PART"sv, kByInspect},
    {Kind::kVhdFooter, kEnd, 0, vpc::kFooterCookie, kByInspect},
    {Kind::kDmgTrailer, kEnd, 0, kText<kKoly>, kByInspect},

    // Compressed files. RFC 1952: ID1, ID2, and the one compression method there is.
    {Kind::kGzip, kStart, 0, "\x1f\x8b\x08"sv, kByInspectAndProbe},
    {Kind::kXz, kStart, 0, "\xfd" "7zXZ\0"sv, kByInspectAndProbe},
    // RFC 8878.
    {Kind::kZstd, kStart, 0, "\x28\xb5\x2f\xfd"sv, kByInspectAndProbe},
    // After the level, a digit, the first block or the end of the stream.
    {Kind::kBzip2, kStart, 0, "BZh"sv, kByInspect},
    {Kind::kBzip2, kStart, 4, "\x31\x41\x59\x26\x53\x59"sv, kByProbe},
    {Kind::kBzip2, kStart, 4, "\x17\x72\x45\x38\x50\x90"sv, kByProbe},
    {Kind::kLz4, kStart, 0, "\x04\x22\x4d\x18"sv, kByInspectAndProbe},
    {Kind::kLz4, kStart, 0, "\x02\x21\x4c\x18"sv, kByProbe},
    {Kind::kLzip, kStart, 0, "LZIP\1"sv, kByProbe},
    {Kind::kLzop, kStart, 0, "\x89LZO\0\r\n\x1a\n"sv, kByProbe},

    // Archives. POSIX pax and ustar, and GNU tar.
    {Kind::kTar, kStart, 257, "ustar"sv, kByInspect},
    {Kind::kTar, kStart, 257, "ustar\0"sv, kByProbe},
    {Kind::kTar, kStart, 257, "ustar "sv, kByProbe},
    // A local file header, or the end of an empty archive.
    {Kind::kZip, kStart, 0, "PK\3\4"sv, kByInspectAndProbe},
    {Kind::kZip, kStart, 0, "PK\5\6"sv, kByProbe},
    {Kind::kSevenZip, kStart, 0, "7z\xbc\xaf\x27\x1c"sv, kByInspectAndProbe},
    // 7-Zip opens the next cabinet that it names.
    {Kind::kCabinet, kStart, 0, "MSCF"sv, kByInspect},
    {Kind::kRar, kStart, 0, "Rar!\x1a\7"sv, kByInspectAndProbe},
    {Kind::kXar, kStart, 0, "xar!"sv, kByInspect},
    {Kind::kCpio, kStart, 0, "070701"sv, kByProbe},
    {Kind::kCpio, kStart, 0, "070702"sv, kByProbe},
    {Kind::kCpio, kStart, 0, "070707"sv, kByProbe},
    {Kind::kWim, kStart, 0, "MSWIM\0\0\0"sv, kByProbe},
    {Kind::kPdf, kStart, 0, "%PDF-"sv, kByInspect},

    // Images that are not read, and what else an emulator writes. VirtualBox takes a file that
    // begins with a DMG's trailer for one.
    {Kind::kDmgTrailer, kStart, 0, kText<kKoly>, kByInspect},
    // libewf's "Expert Witness Compression Format", versions 1 and 2.
    {Kind::kEwfImage, kStart, 0, "EVF\t\r\n\xff\0"sv, kByInspectAndProbe},
    {Kind::kEwfImage, kStart, 0, "EVF2\r\n\x81\0"sv, kByProbe},
    {Kind::kEwfImage, kStart, 0, "LVF\t\r\n\xff\0"sv, kByProbe},
    {Kind::kEwfImage, kStart, 0, "LEF2\r\n\x81\0"sv, kByProbe},
    {Kind::kAffImage, kStart, 0, "AFF10\r\n\0"sv, kByProbe},
    // A ZIP archive whose first file has this name.
    {Kind::kAff4Image, kStart, 30, "container.description"sv, kByProbe},
    {Kind::kAff4Image, kStart, 30, "information.turtle"sv, kByProbe},
    {Kind::kAndroidSparseImage, kStart, 0, "\x3a\xff\x26\xed\1\0"sv, kByProbe},
    // UDSP: bands in the order in which they were written.
    {Kind::kMacosSparseImage, kStart, 0, "sprs\0\0\0\3"sv, kByProbe},
    {Kind::kPartcloneImage, kStart, 0, "partclone-image"sv, kByProbe},
    // A migration stream.
    {Kind::kVmState, kStart, 0, "QEVM\0\0\0\3"sv, kByProbe},
};
// clang-format on

}  // namespace

std::span<const SignatureRow> SignatureTable() { return kRows; }

bool HasBytes(std::span<const std::byte> area, uint64_t offset, std::string_view bytes) {
  return offset + bytes.size() <= area.size() &&
         std::memcmp(area.data() + offset, bytes.data(), bytes.size()) == 0;
}

bool HasSignature(std::span<const std::byte> head, SignatureKind kind, SignatureUse use) {
  return std::any_of(std::begin(kRows), std::end(kRows), [&](const SignatureRow& row) {
    return row.kind == kind && row.place == kStart && (row.uses & use) != 0 &&
           HasBytes(head, row.offset, row.bytes);
  });
}

std::string_view SignatureBytes(SignatureKind kind, SignaturePlace place) {
  for (const SignatureRow& row : kRows) {
    if (row.kind == kind && row.place == place) return row.bytes;
  }
  return {};
}

}  // namespace hotcell::guest
