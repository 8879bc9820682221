// Each rule that an image can break, and the words in which its owner hears of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "guest/formats/common/chain.h"
#include "guest/formats/qcow2/test_image.h"
#include "guest/formats/testing/disk.h"

namespace hotcell::guest::qcow2 {
namespace {

struct Damage {
  std::string name;
  std::function<void(TestImage&)> apply;
  Code code;
  std::string message;  // a part of it
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

SnapshotEntry OneSnapshot() {
  SnapshotEntry entry{};
  entry.l1_table_offset = TestImage::kL1;
  entry.l1_size = 1;
  entry.id_str_size = 1;
  entry.name_size = 1;
  return entry;
}

void AddSnapshot(TestImage& image, const SnapshotEntry& entry, std::string_view rest) {
  const uint64_t table = image.AppendCluster(0);
  image.header().nb_snapshots = 1;
  image.header().snapshots_offset = table;
  image.SetBytes(table, entry);
  image.SetText(table + sizeof(entry), rest);
}

std::vector<Damage> HeaderDamages() {
  return {
      {"ShorterThanAHeader", [](TestImage& i) { i.Resize(71); }, Code::kCorruptImage,
       "the file has 71 bytes, a header has at least 72"},
      {"EndsWithinTheHeader", [](TestImage& i) { i.Resize(104); }, Code::kCorruptImage,
       "header_length is 112, past the end of the file (104 bytes)"},
      {"NoMagic", [](TestImage& i) { i.header().magic = 0; }, Code::kCorruptImage, "magic"},
      {"Version1", [](TestImage& i) { i.header().version = 1; }, Code::kUnsupported,
       "unsupported qcow2 version 1"},
      {"Version9", [](TestImage& i) { i.header().version = 9; }, Code::kUnsupported,
       "unsupported qcow2 version 9"},
      {"ClusterBits8", [](TestImage& i) { i.header().cluster_bits = 8; }, Code::kUnsupported,
       "cluster_bits is 8"},
      {"ClusterBits22", [](TestImage& i) { i.header().cluster_bits = 22; }, Code::kUnsupported,
       "cluster_bits is 22"},
      {"ClusterBitsHuge", [](TestImage& i) { i.header().cluster_bits = 0xffffffff; },
       Code::kUnsupported, "cluster_bits is 4294967295"},
      {"CryptMethod3", [](TestImage& i) { i.header().crypt_method = 3; }, Code::kUnsupported,
       "unknown encryption method 3"},
      {"EncryptedAes", [](TestImage& i) { i.header().crypt_method = kCryptAes; },
       Code::kUnsupported, "encrypted (aes)"},
      {"EncryptedLuks", [](TestImage& i) { i.header().crypt_method = kCryptLuks; },
       Code::kUnsupported, "encrypted (luks)"},
      {"HeaderLengthShort", [](TestImage& i) { i.header().header_length = 96; },
       Code::kCorruptImage, "header_length is 96"},
      {"HeaderLengthHuge", [](TestImage& i) { i.header().header_length = 0xfffffff8; },
       Code::kCorruptImage, "header_length is 4294967288"},
      {"HeaderLengthUnaligned", [](TestImage& i) { i.header().header_length = 113; },
       Code::kCorruptImage, "multiple of 8"},
      {"RefcountOrder7", [](TestImage& i) { i.header().refcount_order = 7; }, Code::kCorruptImage,
       "refcount_order is 7"},
      {"RefcountOrder255", [](TestImage& i) { i.header().refcount_order = 255; },
       Code::kCorruptImage, "refcount_order is 255"},
      {"UnknownFeature", [](TestImage& i) { i.header().incompatible_features = 1ull << 63; },
       Code::kUnsupported, "unknown incompatible features: bit 63"},
      {"UnknownFeatureWithAName",
       [](TestImage& i) {
         i.header().incompatible_features = 1u << 5 | 1u << 6;
         std::string table(48, '\0');
         table.replace(1, 1, 1, '\5');
         table.replace(2, 7, "wormhol");
         i.AddExtension(kExtensionFeatureNames, table);
       },
       Code::kUnsupported, "unknown incompatible features: wormhol (bit 5), bit 6"},
      {"CompressionTypeWithoutBit", [](TestImage& i) { i.header().compression_type = 1; },
       Code::kCorruptImage, "compression type 1 without"},
      {"CompressionBitWithoutType",
       [](TestImage& i) { i.header().incompatible_features = kIncompatibleCompression; },
       Code::kCorruptImage, "compression type 0 with the"},
      {"CompressionTypeUnknown", [](TestImage& i) { i.header().compression_type = 2; },
       Code::kUnsupported, "unknown compression type 2"},
      {"ExtendedL2WithSmallClusters",
       [](TestImage& i) {
         i.header().cluster_bits = 13;
         i.header().incompatible_features = kIncompatibleExtendedL2;
       },
       Code::kCorruptImage, "at least 16 KiB"},
      {"BackingNameTooLong", [](TestImage& i) { i.SetBackingFile(std::string(1024, 'x')); },
       Code::kCorruptImage, "the backing file name has 1024 bytes"},
      {"BackingNamePastTheCluster",
       [](TestImage& i) {
         i.SetBackingFile("abc");
         i.header().backing_file_offset = TestImage::kClusterSize - 2;
       },
       Code::kCorruptImage, "is not within the first cluster"},
      {"BackingNameFarAway",
       [](TestImage& i) {
         i.SetBackingFile("abc");
         i.header().backing_file_offset = UINT64_MAX - 1;
       },
       Code::kCorruptImage, "the backing file name at 0xfffffffffffffffe"},
      {"BackingNameInTheHeader",
       [](TestImage& i) {
         i.SetBackingFile("abc");
         i.header().backing_file_offset = 100;
       },
       Code::kCorruptImage, "is not within the first cluster"},
      {"ExtensionTooLong", [](TestImage& i) { i.AddExtension(0x12345678, "abc", 0xffffffff); },
       Code::kCorruptImage, "the header extension 0x12345678 at 0x70 claims 4294967295 bytes"},
      {"ExtensionTwice",
       [](TestImage& i) {
         i.AddExtension(kExtensionDataFile, "a");
         i.AddExtension(kExtensionDataFile, "b");
       },
       Code::kCorruptImage, "the header extension 0x44415441 appears twice, again at 0x80"},
      {"BackingFormatTooLong",
       [](TestImage& i) { i.AddExtension(kExtensionBackingFormat, std::string(64, 'q')); },
       Code::kCorruptImage, "the backing format name has 64 bytes"},
      {"BitmapsExtensionShort", [](TestImage& i) { i.AddExtension(kExtensionBitmaps, "123"); },
       Code::kCorruptImage, "the bitmaps extension has 3 bytes instead of 24"},
      {"EncryptionExtensionOverflows",
       [](TestImage& i) {
         i.AddExtension(kExtensionEncryption,
                        std::string("\0\0\0\0\0\1\0\0", 8) + std::string(8, '\xff'));
       },
       Code::kCorruptImage, "the encryption header at 0x10000"},
      {"DataFileWithoutName",
       [](TestImage& i) { i.header().incompatible_features = kIncompatibleDataFile; },
       Code::kCorruptImage, "keeps its data in another file but does not name it"},
      {"DataFileRefused",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleDataFile;
         i.AddExtension(kExtensionDataFile, "/etc/passwd");
       },
       Code::kReferenceRefused, "cannot open the data file '/etc/passwd'"},
  };
}

std::vector<Damage> TableDamages() {
  return {
      {"L1TooSmall", [](TestImage& i) { i.header().size = 8192 * TestImage::kClusterSize + 1; },
       Code::kCorruptImage, "the L1 table has 1 entries, but a disk of 536870913 bytes needs 2"},
      {"L1Empty", [](TestImage& i) { i.header().l1_size = 0; }, Code::kCorruptImage,
       "the L1 table has 0 entries"},
      {"L1Huge", [](TestImage& i) { i.header().l1_size = 0xffffffff; }, Code::kCorruptImage,
       "the L1 table has 4294967295 entries, more than the 4194304 allowed"},
      {"DiskSizeNear2To64", [](TestImage& i) { i.header().size = UINT64_MAX; }, Code::kCorruptImage,
       "a disk of 18446744073709551615 bytes needs 34359738368"},
      {"L1Unaligned", [](TestImage& i) { i.header().l1_table_offset = TestImage::kL1 + 8; },
       Code::kCorruptImage, "the L1 table at 0x30008 is not at a cluster boundary"},
      {"L1AtZero", [](TestImage& i) { i.header().l1_table_offset = 0; }, Code::kCorruptImage,
       "the L1 table at 0x0 is not at a cluster boundary"},
      {"L1PastTheEnd",
       [](TestImage& i) {
         i.header().l1_size = 4;
         i.Resize(TestImage::kL1 + 8);
       },
       Code::kCorruptImage,
       "qcow2: the L1 table at 0x30000 (32 bytes) reaches past the end of the file (196616 bytes); "
       "the file is truncated or damaged"},
      {"L1Overflows",
       [](TestImage& i) { i.header().l1_table_offset = ~(TestImage::kClusterSize - 1); },
       Code::kCorruptImage, "the L1 table at 0xffffffffffff0000 (8 bytes) reaches past the end"},
      {"RefcountTableUnaligned", [](TestImage& i) { i.header().refcount_table_offset = 0x10200; },
       Code::kCorruptImage, "the refcount table at 0x10200 is not at a cluster boundary"},
      {"RefcountTableHuge", [](TestImage& i) { i.header().refcount_table_clusters = 0xffffffff; },
       Code::kCorruptImage, "the refcount table has 281474976645120 bytes"},
      {"RefcountTablePastTheEnd",
       [](TestImage& i) { i.header().refcount_table_offset = 0x7fffffffffff0000; },
       Code::kCorruptImage, "the refcount table at 0x7fffffffffff0000 (65536 bytes) reaches past"},
      {"L1OnTheRefcountTable",
       [](TestImage& i) { i.header().l1_table_offset = TestImage::kRefcountTable; },
       Code::kCorruptImage,
       "the refcount table at 0x10000 (65536 bytes) overlaps the L1 table at 0x10000 (8 bytes)"},
      {"L2OnTheL1", [](TestImage& i) { i.SetL1(0, TestImage::kL1); }, Code::kCorruptImage,
       "the L2 table at 0x30000 (L1 entry 0) overlaps the L1 table at 0x30000 (8 bytes)"},
      {"L2OnTheRefcountTable", [](TestImage& i) { i.SetL1(0, TestImage::kRefcountTable); },
       Code::kCorruptImage, "overlaps the refcount table"},
      {"L2Unaligned", [](TestImage& i) { i.SetL1(0, TestImage::kL2 + 512); }, Code::kCorruptImage,
       "the L2 table at 0x40200 (L1 entry 0) is not at a cluster boundary"},
      {"L2PastTheEnd", [](TestImage& i) { i.SetL1(0, TestImage::kEnd); }, Code::kCorruptImage,
       "the L2 table at 0x50000 (L1 entry 0) reaches past the end of the file (327680 bytes)"},
      {"L2FarAway", [](TestImage& i) { i.SetL1(0, 0x00ffffffffff0000); }, Code::kCorruptImage,
       "reaches past the end of the file"},
      {"L2CutOff", [](TestImage& i) { i.Resize(TestImage::kEnd - 1); }, Code::kCorruptImage,
       "the L2 table at 0x40000 (L1 entry 0) reaches past the end of the file (327679 bytes)"},
      {"L2Twice",
       [](TestImage& i) {
         i.header().size = 8192 * TestImage::kClusterSize * 3;
         i.header().l1_size = 3;
         i.SetL1(2, TestImage::kL2);
       },
       Code::kCorruptImage,
       "two entries of the L1 table at 0x30000 claim the same L2 table at 0x40000"},
      {"SnapshotTableUnaligned",
       [](TestImage& i) {
         i.header().nb_snapshots = 1;
         i.header().snapshots_offset = 1;
       },
       Code::kCorruptImage, "the snapshot table at 0x1 is not at a cluster boundary"},
      {"SnapshotTablePastTheEnd",
       [](TestImage& i) {
         i.header().nb_snapshots = 1;
         i.header().snapshots_offset = TestImage::kEnd;
       },
       Code::kCorruptImage,
       "the snapshot table at 0x50000 (at least 40 bytes) reaches past the end of the file"},
      {"SnapshotCountHuge", [](TestImage& i) { i.header().nb_snapshots = 65537; },
       Code::kCorruptImage, "the snapshot table at 0x0"},
      {"SnapshotCountTooHigh",
       [](TestImage& i) {
         i.header().nb_snapshots = 65537;
         i.header().snapshots_offset = TestImage::kEnd;
       },
       Code::kCorruptImage, "the header counts 65537 snapshots"},
      {"SnapshotExtraDataHuge",
       [](TestImage& i) {
         SnapshotEntry entry = OneSnapshot();
         entry.extra_data_size = 0xffffffff;
         AddSnapshot(i, entry, "");
       },
       Code::kCorruptImage, "4294967295 bytes of extra data"},
      {"SnapshotNamePastTheEnd",
       [](TestImage& i) {
         SnapshotEntry entry = OneSnapshot();
         entry.id_str_size = 65535;
         entry.name_size = 65535;
         AddSnapshot(i, entry, "");
       },
       Code::kCorruptImage, "reaches past the end of the file"},
      {"SnapshotTableOnTheL1",
       [](TestImage& i) {
         i.header().nb_snapshots = 1;
         i.header().snapshots_offset = TestImage::kL1;
         i.SetBytes(TestImage::kL1, OneSnapshot());
       },
       Code::kCorruptImage, "the snapshot table at 0x30000 (42 bytes) overlaps the L1 table"},
  };
}

std::vector<Damage> ClusterDamages() {
  return {
      {"DataUnaligned", [](TestImage& i) { i.SetL2(1, i.AppendCluster(1) + 512); },
       Code::kCorruptImage,
       "the cluster of disk offset 0x10000 lies at 0x50200, which is not a cluster boundary"},
      {"DataPastTheEnd", [](TestImage& i) { i.SetL2(1, TestImage::kEnd); }, Code::kCorruptImage,
       "the cluster of disk offset 0x10000 lies at 0x50000, past the end of the file (327680"},
      {"DataFarAway", [](TestImage& i) { i.SetL2(1, 0x00ff'ffff'ffff'0000); }, Code::kCorruptImage,
       "past the end of the file"},
      {"DataOnTheL1", [](TestImage& i) { i.SetL2(0, TestImage::kL1); }, Code::kCorruptImage,
       "lies at 0x30000 (65536 bytes) and overlaps the L1 table"},
      {"ZeroFlagInVersion2",
       [](TestImage& i) {
         i.header().version = 2;
         i.SetL2(0, 1);
       },
       Code::kCorruptImage, "marked as zero, which version 2 images do not know"},
      {"CompressedPastTheEnd", [](TestImage& i) { i.SetL2(2, kEntryCompressed | TestImage::kEnd); },
       Code::kCorruptImage,
       "the cluster of disk offset 0x20000 is compressed at 0x50000, past the end of the file"},
      {"CompressedInTheHeader", [](TestImage& i) { i.SetL2(0, kEntryCompressed | 64); },
       Code::kCorruptImage, "overlaps the header"},
      {"CompressedGarbage",
       [](TestImage& i) { i.SetL2(0, kEntryCompressed | i.AppendCluster(0xff)); },
       Code::kCorruptImage, "the deflate stream is damaged"},
      {"CompressedInADataFile",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleDataFile;
         i.AddExtension(kExtensionDataFile, "allowed");
         i.SetL2(0, kEntryCompressed | TestImage::kL2);
       },
       Code::kCorruptImage, "is compressed, which images with an external data file cannot have"},
      {"DataFileNameTooLong",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleDataFile;
         i.AddExtension(kExtensionDataFile, std::string(4097, 'x'));
       },
       Code::kCorruptImage, "the data file's name has 4097 bytes, more than the 4096"},
      {"DataFileElsewhere",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleDataFile;
         i.AddExtension(kExtensionDataFile, "allowed");
         i.SetL2(0, TestImage::kClusterSize);
       },
       Code::kCorruptImage, "lies at 0x10000 of the data file instead of at the same offset"},
      {"DataFileTooShort",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleDataFile;
         i.AddExtension(kExtensionDataFile, "allowed");
         i.SetL2(2, 2 * TestImage::kClusterSize | kEntryCopied);
       },
       Code::kCorruptImage, "past the end of the data file (65537 bytes)"},
      {"SubclusterBothAllocatedAndZero",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleExtendedL2;
         i.SetExtendedL2(0, i.AppendCluster(1), 1ull << 35 | 1u << 3);
       },
       Code::kCorruptImage, "subclusters that are both allocated and zero"},
      {"SubclusterAllocatedNowhere",
       [](TestImage& i) {
         i.header().incompatible_features = kIncompatibleExtendedL2;
         i.SetExtendedL2(0, 0, 1);
       },
       Code::kCorruptImage, "allocated subclusters but no place in the file"},
  };
}

class Qcow2DamageTest : public testing::TestWithParam<Damage> {};

TEST_P(Qcow2DamageTest, IsReportedInWords) {
  TestImage image;
  GetParam().apply(image);
  NativeFiles files;
  const FileHandle file = files.Add(image.MakeFile());
  files.set_reference_opener([](uint32_t, ReferenceKind, std::string_view name) {
    if (name != "allowed") return NativeFiles::Opened{};
    return NativeFiles::Opened{.status = IoStatus::kOk,
                               .file = std::make_unique<MemoryFile>(std::vector<std::byte>(65537))};
  });
  NativeChannel io(files);

  const auto chain = ImageChain::Open(io, {.file = file, .format = "qcow2"}, {});
  const Status status =
      chain.ok() ? DiskReader(io, **chain).Read(0, TestImage::kDiskSize).status() : chain.status();

  EXPECT_EQ(status.code(), GetParam().code) << status.message();
  EXPECT_THAT(status.message(), testing::HasSubstr(GetParam().message));
}

std::string Name(const testing::TestParamInfo<Damage>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Header, Qcow2DamageTest, testing::ValuesIn(HeaderDamages()), Name);
INSTANTIATE_TEST_SUITE_P(Tables, Qcow2DamageTest, testing::ValuesIn(TableDamages()), Name);
INSTANTIATE_TEST_SUITE_P(Clusters, Qcow2DamageTest, testing::ValuesIn(ClusterDamages()), Name);

}  // namespace
}  // namespace hotcell::guest::qcow2
