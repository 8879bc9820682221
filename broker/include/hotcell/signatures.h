// Marks by which programs know what a file is or what a disk begins with.
#ifndef HOTCELL_SIGNATURES_H_
#define HOTCELL_SIGNATURES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace hotcell {

// A coarse kind stands for finer ones where the mark tells no more.
enum class SignatureKind : int32_t {
  kUnknown = 0,  // the guest gives a number that is none
  // Partition tables.
  kMbr = 1,
  kProtectiveMbr = 2,
  kGpt = 3,
  kGptBackup = 4,
  // File systems.
  kFat = 5,
  kFat12 = 6,
  kFat16 = 7,
  kFat32 = 8,
  kNtfs = 9,
  kExfat = 10,
  kExt = 11,
  kExt2 = 12,
  kExt3 = 13,
  kExt4 = 14,
  kXfs = 15,
  kBtrfs = 16,
  kF2fs = 17,
  kErofs = 18,
  kHfsPlus = 19,
  kHfsx = 20,
  kApfs = 21,
  kJfs = 22,
  kReiserfs = 23,
  kCramfs = 24,
  kSquashfs = 25,
  kIso9660 = 26,
  kUdf = 27,
  // Volumes of other kinds.
  kSwap = 28,
  kLvm = 29,
  kRaidMember = 30,
  // Encrypted volumes.
  kLuks = 31,
  kLuks1 = 32,
  kLuks2 = 33,
  kBitlocker = 34,
  // Images of disks, and texts that name the files of one.
  kQcowImage = 35,
  kQedImage = 36,
  kVmdkImage = 37,
  kVmdkDescriptor = 38,
  kVhdFooter = 39,
  kVhdxImage = 40,
  kVdiImage = 41,
  kParallelsImage = 42,
  kDmgTrailer = 43,
  kEwfImage = 44,
  kAffImage = 45,
  kAff4Image = 46,
  kAndroidSparseImage = 47,
  kMacosSparseImage = 48,
  kPartcloneImage = 49,
  kVisoScript = 50,
  kCueSheet = 51,
  // Files of other kinds.
  kElfProgram = 52,
  kDosProgram = 53,
  kScript = 54,
  kGzip = 55,
  kBzip2 = 56,
  kXz = 57,
  kZstd = 58,
  kLz4 = 59,
  kLzip = 60,
  kLzop = 61,
  kTar = 62,
  kZip = 63,
  kSevenZip = 64,
  kCabinet = 65,
  kRar = 66,
  kXar = 67,
  kCpio = 68,
  kWim = 69,
  kPdf = 70,
  kVmState = 71,
};

// What kinds have in common.
enum class SignatureClass : int32_t {
  kUnknown = 0,
  // Things that stand on disks.
  kPartitionTable,
  kFileSystem,
  kVolume,
  kEncryption,
  // Files.
  kImage,
  kFile,  // of a kind that has nothing to do with disks
};

struct Signature {
  uint64_t offset = 0;  // in the file, bytes
  SignatureKind kind = SignatureKind::kUnknown;
};

SignatureClass ClassOf(SignatureKind kind);

// "GPT partition table".
std::string_view SignatureName(SignatureKind kind);

// How `info` names what a disk begins with: "GPT partition table for sectors of 4096 bytes".
std::string ContentName(const Signature& content);

}  // namespace hotcell

#endif  // HOTCELL_SIGNATURES_H_
