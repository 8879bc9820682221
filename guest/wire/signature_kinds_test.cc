// The guest's kinds of signatures have the numbers of the protocol's.
#include <gtest/gtest.h>

#include "guest/formats/signatures/signature_kind.h"
#include "protos/report.pb.h"

namespace hotcell::guest {
namespace {

struct Pair {
  SignatureKind guest;
  v1::SignatureKind wire;
};

constexpr Pair kPairs[] = {
    {SignatureKind::kMbr, v1::SIGNATURE_KIND_MBR},
    {SignatureKind::kProtectiveMbr, v1::SIGNATURE_KIND_PROTECTIVE_MBR},
    {SignatureKind::kGpt, v1::SIGNATURE_KIND_GPT},
    {SignatureKind::kGptBackup, v1::SIGNATURE_KIND_GPT_BACKUP},
    {SignatureKind::kFat, v1::SIGNATURE_KIND_FAT},
    {SignatureKind::kFat12, v1::SIGNATURE_KIND_FAT12},
    {SignatureKind::kFat16, v1::SIGNATURE_KIND_FAT16},
    {SignatureKind::kFat32, v1::SIGNATURE_KIND_FAT32},
    {SignatureKind::kNtfs, v1::SIGNATURE_KIND_NTFS},
    {SignatureKind::kExfat, v1::SIGNATURE_KIND_EXFAT},
    {SignatureKind::kExt, v1::SIGNATURE_KIND_EXT},
    {SignatureKind::kExt2, v1::SIGNATURE_KIND_EXT2},
    {SignatureKind::kExt3, v1::SIGNATURE_KIND_EXT3},
    {SignatureKind::kExt4, v1::SIGNATURE_KIND_EXT4},
    {SignatureKind::kXfs, v1::SIGNATURE_KIND_XFS},
    {SignatureKind::kBtrfs, v1::SIGNATURE_KIND_BTRFS},
    {SignatureKind::kF2fs, v1::SIGNATURE_KIND_F2FS},
    {SignatureKind::kErofs, v1::SIGNATURE_KIND_EROFS},
    {SignatureKind::kHfsPlus, v1::SIGNATURE_KIND_HFS_PLUS},
    {SignatureKind::kHfsx, v1::SIGNATURE_KIND_HFSX},
    {SignatureKind::kApfs, v1::SIGNATURE_KIND_APFS},
    {SignatureKind::kJfs, v1::SIGNATURE_KIND_JFS},
    {SignatureKind::kReiserfs, v1::SIGNATURE_KIND_REISERFS},
    {SignatureKind::kCramfs, v1::SIGNATURE_KIND_CRAMFS},
    {SignatureKind::kSquashfs, v1::SIGNATURE_KIND_SQUASHFS},
    {SignatureKind::kIso9660, v1::SIGNATURE_KIND_ISO9660},
    {SignatureKind::kUdf, v1::SIGNATURE_KIND_UDF},
    {SignatureKind::kSwap, v1::SIGNATURE_KIND_SWAP},
    {SignatureKind::kLvm, v1::SIGNATURE_KIND_LVM},
    {SignatureKind::kRaidMember, v1::SIGNATURE_KIND_RAID_MEMBER},
    {SignatureKind::kLuks, v1::SIGNATURE_KIND_LUKS},
    {SignatureKind::kLuks1, v1::SIGNATURE_KIND_LUKS1},
    {SignatureKind::kLuks2, v1::SIGNATURE_KIND_LUKS2},
    {SignatureKind::kBitlocker, v1::SIGNATURE_KIND_BITLOCKER},
    {SignatureKind::kQcowImage, v1::SIGNATURE_KIND_QCOW_IMAGE},
    {SignatureKind::kQedImage, v1::SIGNATURE_KIND_QED_IMAGE},
    {SignatureKind::kVmdkImage, v1::SIGNATURE_KIND_VMDK_IMAGE},
    {SignatureKind::kVmdkDescriptor, v1::SIGNATURE_KIND_VMDK_DESCRIPTOR},
    {SignatureKind::kVhdFooter, v1::SIGNATURE_KIND_VHD_FOOTER},
    {SignatureKind::kVhdxImage, v1::SIGNATURE_KIND_VHDX_IMAGE},
    {SignatureKind::kVdiImage, v1::SIGNATURE_KIND_VDI_IMAGE},
    {SignatureKind::kParallelsImage, v1::SIGNATURE_KIND_PARALLELS_IMAGE},
    {SignatureKind::kDmgTrailer, v1::SIGNATURE_KIND_DMG_TRAILER},
    {SignatureKind::kEwfImage, v1::SIGNATURE_KIND_EWF_IMAGE},
    {SignatureKind::kAffImage, v1::SIGNATURE_KIND_AFF_IMAGE},
    {SignatureKind::kAff4Image, v1::SIGNATURE_KIND_AFF4_IMAGE},
    {SignatureKind::kAndroidSparseImage, v1::SIGNATURE_KIND_ANDROID_SPARSE_IMAGE},
    {SignatureKind::kMacosSparseImage, v1::SIGNATURE_KIND_MACOS_SPARSE_IMAGE},
    {SignatureKind::kPartcloneImage, v1::SIGNATURE_KIND_PARTCLONE_IMAGE},
    {SignatureKind::kVisoScript, v1::SIGNATURE_KIND_VISO_SCRIPT},
    {SignatureKind::kCueSheet, v1::SIGNATURE_KIND_CUE_SHEET},
    {SignatureKind::kElfProgram, v1::SIGNATURE_KIND_ELF_PROGRAM},
    {SignatureKind::kDosProgram, v1::SIGNATURE_KIND_DOS_PROGRAM},
    {SignatureKind::kScript, v1::SIGNATURE_KIND_SCRIPT},
    {SignatureKind::kGzip, v1::SIGNATURE_KIND_GZIP},
    {SignatureKind::kBzip2, v1::SIGNATURE_KIND_BZIP2},
    {SignatureKind::kXz, v1::SIGNATURE_KIND_XZ},
    {SignatureKind::kZstd, v1::SIGNATURE_KIND_ZSTD},
    {SignatureKind::kLz4, v1::SIGNATURE_KIND_LZ4},
    {SignatureKind::kLzip, v1::SIGNATURE_KIND_LZIP},
    {SignatureKind::kLzop, v1::SIGNATURE_KIND_LZOP},
    {SignatureKind::kTar, v1::SIGNATURE_KIND_TAR},
    {SignatureKind::kZip, v1::SIGNATURE_KIND_ZIP},
    {SignatureKind::kSevenZip, v1::SIGNATURE_KIND_SEVEN_ZIP},
    {SignatureKind::kCabinet, v1::SIGNATURE_KIND_CABINET},
    {SignatureKind::kRar, v1::SIGNATURE_KIND_RAR},
    {SignatureKind::kXar, v1::SIGNATURE_KIND_XAR},
    {SignatureKind::kCpio, v1::SIGNATURE_KIND_CPIO},
    {SignatureKind::kWim, v1::SIGNATURE_KIND_WIM},
    {SignatureKind::kPdf, v1::SIGNATURE_KIND_PDF},
    {SignatureKind::kVmState, v1::SIGNATURE_KIND_VM_STATE},
};

TEST(SignatureKinds, HaveTheNumbersOfTheProtocol) {
  int number = 0;
  for (const Pair& pair : kPairs) {
    ++number;
    EXPECT_EQ(static_cast<int>(pair.guest), number);
    EXPECT_EQ(static_cast<int>(pair.wire), number);
  }
  EXPECT_EQ(v1::SignatureKind_MAX, number);
}

}  // namespace
}  // namespace hotcell::guest
