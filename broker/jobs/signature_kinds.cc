#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "hotcell/signatures.h"
#include "protos/report.pb.h"

namespace hotcell {
namespace {

using Class = SignatureClass;
using Kind = SignatureKind;

struct Row {
  SignatureKind kind;
  v1::SignatureKind wire;
  SignatureClass signature_class;
  std::string_view name;
};

// clang-format off
constexpr Row kRows[] = {
    {Kind::kUnknown, v1::SIGNATURE_KIND_UNSPECIFIED, Class::kUnknown, "kind of file that is not known"},
    {Kind::kMbr, v1::SIGNATURE_KIND_MBR, Class::kPartitionTable, "MBR partition table"},
    {Kind::kProtectiveMbr, v1::SIGNATURE_KIND_PROTECTIVE_MBR, Class::kPartitionTable, "protective MBR"},
    {Kind::kGpt, v1::SIGNATURE_KIND_GPT, Class::kPartitionTable, "GPT partition table"},
    {Kind::kGptBackup, v1::SIGNATURE_KIND_GPT_BACKUP, Class::kPartitionTable, "GPT backup table"},
    {Kind::kFat, v1::SIGNATURE_KIND_FAT, Class::kFileSystem, "FAT file system"},
    {Kind::kFat12, v1::SIGNATURE_KIND_FAT12, Class::kFileSystem, "FAT12 file system"},
    {Kind::kFat16, v1::SIGNATURE_KIND_FAT16, Class::kFileSystem, "FAT16 file system"},
    {Kind::kFat32, v1::SIGNATURE_KIND_FAT32, Class::kFileSystem, "FAT32 file system"},
    {Kind::kNtfs, v1::SIGNATURE_KIND_NTFS, Class::kFileSystem, "NTFS file system"},
    {Kind::kExfat, v1::SIGNATURE_KIND_EXFAT, Class::kFileSystem, "exFAT file system"},
    {Kind::kExt, v1::SIGNATURE_KIND_EXT, Class::kFileSystem, "ext file system"},
    {Kind::kExt2, v1::SIGNATURE_KIND_EXT2, Class::kFileSystem, "ext2 file system"},
    {Kind::kExt3, v1::SIGNATURE_KIND_EXT3, Class::kFileSystem, "ext3 file system"},
    {Kind::kExt4, v1::SIGNATURE_KIND_EXT4, Class::kFileSystem, "ext4 file system"},
    {Kind::kXfs, v1::SIGNATURE_KIND_XFS, Class::kFileSystem, "XFS file system"},
    {Kind::kBtrfs, v1::SIGNATURE_KIND_BTRFS, Class::kFileSystem, "btrfs file system"},
    {Kind::kF2fs, v1::SIGNATURE_KIND_F2FS, Class::kFileSystem, "F2FS file system"},
    {Kind::kErofs, v1::SIGNATURE_KIND_EROFS, Class::kFileSystem, "EROFS file system"},
    {Kind::kHfsPlus, v1::SIGNATURE_KIND_HFS_PLUS, Class::kFileSystem, "HFS+ file system"},
    {Kind::kHfsx, v1::SIGNATURE_KIND_HFSX, Class::kFileSystem, "HFSX file system"},
    {Kind::kApfs, v1::SIGNATURE_KIND_APFS, Class::kFileSystem, "APFS container"},
    {Kind::kJfs, v1::SIGNATURE_KIND_JFS, Class::kFileSystem, "JFS file system"},
    {Kind::kReiserfs, v1::SIGNATURE_KIND_REISERFS, Class::kFileSystem, "ReiserFS file system"},
    {Kind::kCramfs, v1::SIGNATURE_KIND_CRAMFS, Class::kFileSystem, "cramfs file system"},
    {Kind::kSquashfs, v1::SIGNATURE_KIND_SQUASHFS, Class::kFileSystem, "squashfs file system"},
    {Kind::kIso9660, v1::SIGNATURE_KIND_ISO9660, Class::kFileSystem, "ISO 9660 file system"},
    {Kind::kUdf, v1::SIGNATURE_KIND_UDF, Class::kFileSystem, "UDF file system"},
    {Kind::kSwap, v1::SIGNATURE_KIND_SWAP, Class::kVolume, "Linux swap space"},
    {Kind::kLvm, v1::SIGNATURE_KIND_LVM, Class::kVolume, "LVM physical volume"},
    {Kind::kRaidMember, v1::SIGNATURE_KIND_RAID_MEMBER, Class::kVolume, "Linux RAID member"},
    {Kind::kLuks, v1::SIGNATURE_KIND_LUKS, Class::kEncryption, "LUKS encryption"},
    {Kind::kLuks1, v1::SIGNATURE_KIND_LUKS1, Class::kEncryption, "LUKS1 encryption"},
    {Kind::kLuks2, v1::SIGNATURE_KIND_LUKS2, Class::kEncryption, "LUKS2 encryption"},
    {Kind::kBitlocker, v1::SIGNATURE_KIND_BITLOCKER, Class::kEncryption, "BitLocker encryption"},
    {Kind::kQcowImage, v1::SIGNATURE_KIND_QCOW_IMAGE, Class::kImage, "QCOW image"},
    {Kind::kQedImage, v1::SIGNATURE_KIND_QED_IMAGE, Class::kImage, "QED image"},
    {Kind::kVmdkImage, v1::SIGNATURE_KIND_VMDK_IMAGE, Class::kImage, "VMDK image"},
    {Kind::kVmdkDescriptor, v1::SIGNATURE_KIND_VMDK_DESCRIPTOR, Class::kImage, "VMDK descriptor"},
    {Kind::kVhdFooter, v1::SIGNATURE_KIND_VHD_FOOTER, Class::kImage, "VHD footer"},
    {Kind::kVhdxImage, v1::SIGNATURE_KIND_VHDX_IMAGE, Class::kImage, "VHDX image"},
    {Kind::kVdiImage, v1::SIGNATURE_KIND_VDI_IMAGE, Class::kImage, "VDI image"},
    {Kind::kParallelsImage, v1::SIGNATURE_KIND_PARALLELS_IMAGE, Class::kImage, "Parallels image"},
    {Kind::kDmgTrailer, v1::SIGNATURE_KIND_DMG_TRAILER, Class::kImage, "DMG trailer"},
    {Kind::kEwfImage, v1::SIGNATURE_KIND_EWF_IMAGE, Class::kImage, "EWF (E01) image"},
    {Kind::kAffImage, v1::SIGNATURE_KIND_AFF_IMAGE, Class::kImage, "AFF image"},
    {Kind::kAff4Image, v1::SIGNATURE_KIND_AFF4_IMAGE, Class::kImage, "AFF4 image"},
    {Kind::kAndroidSparseImage, v1::SIGNATURE_KIND_ANDROID_SPARSE_IMAGE, Class::kImage, "Android sparse image"},
    {Kind::kMacosSparseImage, v1::SIGNATURE_KIND_MACOS_SPARSE_IMAGE, Class::kImage, "macOS sparse image"},
    {Kind::kPartcloneImage, v1::SIGNATURE_KIND_PARTCLONE_IMAGE, Class::kImage, "Partclone image"},
    {Kind::kVisoScript, v1::SIGNATURE_KIND_VISO_SCRIPT, Class::kImage, "VISO disc script"},
    {Kind::kCueSheet, v1::SIGNATURE_KIND_CUE_SHEET, Class::kImage, "CUE sheet"},
    {Kind::kElfProgram, v1::SIGNATURE_KIND_ELF_PROGRAM, Class::kFile, "ELF program"},
    {Kind::kDosProgram, v1::SIGNATURE_KIND_DOS_PROGRAM, Class::kFile, "DOS or Windows program"},
    {Kind::kScript, v1::SIGNATURE_KIND_SCRIPT, Class::kFile, "script"},
    {Kind::kGzip, v1::SIGNATURE_KIND_GZIP, Class::kFile, "gzip stream"},
    {Kind::kBzip2, v1::SIGNATURE_KIND_BZIP2, Class::kFile, "bzip2 stream"},
    {Kind::kXz, v1::SIGNATURE_KIND_XZ, Class::kFile, "xz stream"},
    {Kind::kZstd, v1::SIGNATURE_KIND_ZSTD, Class::kFile, "zstd stream"},
    {Kind::kLz4, v1::SIGNATURE_KIND_LZ4, Class::kFile, "LZ4 stream"},
    {Kind::kLzip, v1::SIGNATURE_KIND_LZIP, Class::kFile, "lzip stream"},
    {Kind::kLzop, v1::SIGNATURE_KIND_LZOP, Class::kFile, "lzop stream"},
    {Kind::kTar, v1::SIGNATURE_KIND_TAR, Class::kFile, "tar archive"},
    {Kind::kZip, v1::SIGNATURE_KIND_ZIP, Class::kFile, "zip archive"},
    {Kind::kSevenZip, v1::SIGNATURE_KIND_SEVEN_ZIP, Class::kFile, "7z archive"},
    {Kind::kCabinet, v1::SIGNATURE_KIND_CABINET, Class::kFile, "cabinet archive"},
    {Kind::kRar, v1::SIGNATURE_KIND_RAR, Class::kFile, "RAR archive"},
    {Kind::kXar, v1::SIGNATURE_KIND_XAR, Class::kFile, "xar archive"},
    {Kind::kCpio, v1::SIGNATURE_KIND_CPIO, Class::kFile, "cpio archive"},
    {Kind::kWim, v1::SIGNATURE_KIND_WIM, Class::kFile, "WIM archive"},
    {Kind::kPdf, v1::SIGNATURE_KIND_PDF, Class::kFile, "PDF document"},
    {Kind::kVmState, v1::SIGNATURE_KIND_VM_STATE, Class::kFile, "saved state of a QEMU machine"},
};
// clang-format on

constexpr size_t kCount = std::size(kRows);

// A kind is the index of its row.
constexpr bool AreInOrder() {
  for (size_t i = 0; i < kCount; ++i) {
    if (static_cast<size_t>(kRows[i].kind) != i || static_cast<size_t>(kRows[i].wire) != i) {
      return false;
    }
  }
  return true;
}
static_assert(AreInOrder() && v1::SignatureKind_MAX == kCount - 1);

const Row& RowOf(SignatureKind kind) {
  const auto index = static_cast<uint32_t>(kind);
  return kRows[index < kCount ? index : 0];
}

// An image that begins within a disk.
std::string NestedName(const char* format, const Signature& content) {
  return absl::StrCat(format, " signature at offset ", content.offset);
}

}  // namespace

SignatureClass ClassOf(SignatureKind kind) { return RowOf(kind).signature_class; }

std::string_view SignatureName(SignatureKind kind) { return RowOf(kind).name; }

std::string ContentName(const Signature& content) {
  constexpr uint64_t kBigSector = 4096;
  switch (content.kind) {
    case SignatureKind::kGpt:
      return content.offset == kBigSector ? "GPT partition table for sectors of 4096 bytes"
                                          : "GPT partition table";
    case SignatureKind::kBtrfs:
      return "Btrfs file system";
    case SignatureKind::kLvm:
      return "LVM2 physical volume";
    case SignatureKind::kQcowImage:
      return NestedName("QCOW", content);
    case SignatureKind::kVmdkImage:
      return NestedName("VMDK", content);
    case SignatureKind::kVhdFooter:
      return NestedName("VHD", content);
    case SignatureKind::kVhdxImage:
      return NestedName("VHDX", content);
    default:
      return std::string(SignatureName(content.kind));
  }
}

}  // namespace hotcell
