#include <array>
#include <vector>

#include "base/alignment.h"
#include "guest/formats/vhdx/crc32c.h"
#include "guest/formats/vhdx/on_disk.h"
#include "tools/fuzzers/images/repaired_layouts.h"

namespace hotcell::fuzz {
namespace {

using namespace guest::vhdx;  // NOLINT(google-build-using-namespace)

// Where the seeds have them.
constexpr int64_t kLogAt = kMiB;
constexpr int64_t kMetadataAt = 2 * kMiB;
constexpr int64_t kBatAt = 3 * kMiB;
// Every structure with a checksum has it after its signature.
constexpr uint64_t kChecksumOffset = offsetof(Header, Checksum);
constexpr size_t kMaxLogEntries = 16;
constexpr uint64_t kMaxLogEntry = 256 * kKiB;

constexpr std::array kHeader = {
    HOTCELL_FIELD(Header, SequenceNumber), HOTCELL_FIELD(Header, DataWriteGuid),
    HOTCELL_FIELD(Header, LogGuid),        HOTCELL_FIELD(Header, LogVersion),
    HOTCELL_FIELD(Header, Version),        HOTCELL_FIELD(Header, LogLength),
    HOTCELL_FIELD(Header, LogOffset)};
constexpr std::array kRegionTable = {HOTCELL_FIELD(RegionTableHeader, EntryCount)};
constexpr std::array kRegion = {
    HOTCELL_FIELD(RegionTableEntry, Id), HOTCELL_FIELD(RegionTableEntry, FileOffset),
    HOTCELL_FIELD(RegionTableEntry, Length), HOTCELL_FIELD(RegionTableEntry, Required)};
constexpr std::array kLogEntry = {
    HOTCELL_FIELD(LogEntryHeader, EntryLength),    HOTCELL_FIELD(LogEntryHeader, Tail),
    HOTCELL_FIELD(LogEntryHeader, SequenceNumber), HOTCELL_FIELD(LogEntryHeader, DescriptorCount),
    HOTCELL_FIELD(LogEntryHeader, LogGuid),        HOTCELL_FIELD(LogEntryHeader, FlushedFileOffset),
    HOTCELL_FIELD(LogEntryHeader, LastFileOffset)};
constexpr std::array kDescriptor = {
    HOTCELL_FIELD(LogDescriptor, Signature), HOTCELL_FIELD(LogDescriptor, TrailingBytes),
    HOTCELL_FIELD(LogDescriptor, LeadingBytes), HOTCELL_FIELD(LogDescriptor, FileOffset),
    HOTCELL_FIELD(LogDescriptor, SequenceNumber)};
constexpr std::array kDataSector = {HOTCELL_FIELD(LogDataSector, Signature),
                                    HOTCELL_FIELD(LogDataSector, SequenceHigh),
                                    HOTCELL_FIELD(LogDataSector, SequenceLow)};
constexpr std::array kMetadataTable = {HOTCELL_FIELD(MetadataTableHeader, EntryCount)};
constexpr std::array kItem = {
    HOTCELL_FIELD(MetadataTableEntry, ItemId), HOTCELL_FIELD(MetadataTableEntry, Offset),
    HOTCELL_FIELD(MetadataTableEntry, Length), HOTCELL_FIELD(MetadataTableEntry, Flags)};
// Items lie behind the metadata table, their parts mostly of four bytes or eight.
constexpr std::array kItemPart = {Field{0, 4}, Field{4, 4}, Field{0, 8}};

constexpr std::array kStructures = {
    Structure{.at = kHeaderOffsets[0],
              .fields = kHeader,
              .count = 2,
              .stride = kHeaderOffsets[1] - kHeaderOffsets[0]},
    Structure{.at = kRegionTableOffsets[0],
              .fields = kRegionTable,
              .count = 2,
              .stride = kRegionTableSize},
    Structure{.at = kRegionTableOffsets[0] + sizeof(RegionTableHeader),
              .fields = kRegion,
              .count = 3,
              .stride = sizeof(RegionTableEntry)},
    Structure{.at = kRegionTableOffsets[1] + sizeof(RegionTableHeader),
              .fields = kRegion,
              .count = 3,
              .stride = sizeof(RegionTableEntry)},
    Structure{.at = kLogAt, .fields = kLogEntry, .count = 4, .stride = kLogSector},
    Structure{.at = kLogAt + sizeof(LogEntryHeader),
              .fields = kDescriptor,
              .count = 4,
              .stride = sizeof(LogDescriptor)},
    Structure{.at = kLogAt + kLogSector, .fields = kDataSector, .count = 3, .stride = kLogSector},
    Structure{.at = kMetadataAt, .fields = kMetadataTable},
    Structure{.at = kMetadataAt + sizeof(MetadataTableHeader),
              .fields = kItem,
              .count = 7,
              .stride = sizeof(MetadataTableEntry)},
    Structure{
        .at = kMetadataAt + kMetadataTableSize, .fields = kItemPart, .count = 24, .stride = 4},
};
constexpr std::array kTables = {
    Table{.at = kBatAt, .width = 8, .entries = 8},
    Table{.pointer = {.at = kRegionTableOffsets[0] + sizeof(RegionTableHeader) +
                            offsetof(RegionTableEntry, FileOffset),
                      .width = 8},
          .width = 8,
          .entries = 8},
};
constexpr std::array<uint64_t, 12> kValues = {
    0, 1, 2, 3, 4, 5, 6, 7, kMiB, 512, kMaxBlockSize, kHasParent};

// The structure's checksum, of `size` bytes from `at` on.
void RepairAt(SparseFile& file, uint64_t at, uint64_t size, std::string_view signature) {
  if (at > file.size || size > file.size - at || !file.HasData(at, size)) return;
  std::vector<std::byte> bytes(size);
  file.Read(at, bytes);
  if (std::string_view(reinterpret_cast<const char*>(bytes.data()), signature.size()) !=
      signature) {
    return;
  }
  guest::Le32 checksum = 0;
  std::memcpy(bytes.data() + kChecksumOffset, &checksum, sizeof(checksum));
  checksum = Crc32c(bytes);
  file.Write(at + kChecksumOffset, std::as_bytes(std::span(&checksum, 1)));
}

void RepairLog(SparseFile& file) {
  uint64_t at = kLogAt;
  for (size_t i = 0; i < kMaxLogEntries; ++i) {
    LogEntryHeader entry;
    file.Read(at, std::as_writable_bytes(std::span(&entry, 1)));
    if (!HasSignature(entry.Signature, kLogEntrySignature)) return;
    const uint64_t size = entry.EntryLength;
    if (size < sizeof(entry) || size > kMaxLogEntry) return;
    RepairAt(file, at, size, kLogEntrySignature);
    at += AlignUp(size, kLogSector);
  }
}

void Repair(SparseFile& file) {
  for (const uint64_t at : kHeaderOffsets) RepairAt(file, at, sizeof(Header), kHeaderSignature);
  for (const uint64_t at : kRegionTableOffsets) {
    RepairAt(file, at, kRegionTableSize, kRegionSignature);
  }
  RepairLog(file);
}

}  // namespace

constinit const Layout kVhdxLayout = {.format = "vhdx",
                                      .structures = kStructures,
                                      .tables = kTables,
                                      .values = kValues,
                                      .repair = Repair};

}  // namespace hotcell::fuzz
