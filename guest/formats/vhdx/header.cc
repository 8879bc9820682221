#include "guest/formats/vhdx/header.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "guest/formats/vhdx/crc32c.h"
#include "guest/formats/vhdx/guid.h"

namespace hotcell::guest::vhdx {
namespace {

bool IsValid(Header header) {
  const uint32_t checksum = header.Checksum;
  header.Checksum = 0;
  return HasSignature(header.Signature, kHeaderSignature) &&
         Crc32c(std::as_bytes(std::span(&header, 1))) == checksum;
}

Status CheckHeader(const Header& header, const FileHandle& file) {
  if (header.Version != kVersion) {
    return Unsupported(StrCat("vhdx: the image is of version ", uint16_t{header.Version},
                              " of the format; only version 1 is known"));
  }
  const bool has_log = header.LogGuid != kNoGuid;
  if (has_log && header.LogVersion != kLogVersion) {
    return Unsupported(StrCat("vhdx: the log is of version ", uint16_t{header.LogVersion},
                              "; only version 0 can be replayed"));
  }
  const uint64_t offset = header.LogOffset;
  const uint32_t length = header.LogLength;
  const std::string where = StrCat("vhdx: the log at ", Hex(offset), " (", length, " bytes)");
  if (offset % kMiB != 0 || length % kMiB != 0) {
    return CorruptImage(StrCat(where, " does not lie at whole MiB"));
  }
  if (length != 0 && offset < kHeaderSectionSize) {
    return CorruptImage(StrCat(where, " overlaps the header section"));
  }
  if (!InFile(offset, length, file.size)) {
    return CorruptImage(StrCat(where, " reaches past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  if (has_log && length == 0) {
    return CorruptImage("vhdx: there is a log to be replayed, but it has no bytes");
  }
  return OkStatus();
}

// What a writer has no reason to change from one header to the next; identifiers and the sequence
// number it changes.
bool AgreeOnPlaces(const Header& a, const Header& b) {
  return a.Version == b.Version && a.LogVersion == b.LogVersion && a.LogOffset == b.LogOffset &&
         a.LogLength == b.LogLength;
}

class RegionTable {
 public:
  // A table that is not valid has no entries.
  Status Read(IoChannel& io, LoggedFile& file, uint64_t offset) {
    bytes_.resize(kRegionTableSize);
    HOTCELL_RETURN_IF_ERROR(file.Read(io, offset, bytes_, "vhdx: the region table"));
    header_ = LoadStruct<RegionTableHeader>(bytes_);
    RegionTableHeader unsummed = header_;
    unsummed.Checksum = 0;
    std::memcpy(bytes_.data(), &unsummed, sizeof(unsummed));
    valid_ = HasSignature(header_.Signature, kRegionSignature) &&
             Crc32c(bytes_) == header_.Checksum && header_.EntryCount <= kMaxRegions;
    return OkStatus();
  }
  bool valid() const { return valid_; }
  uint32_t count() const { return header_.EntryCount; }
  RegionTableEntry entry(uint32_t index) const {
    return LoadStruct<RegionTableEntry>(
        bytes_, sizeof(RegionTableHeader) + index * sizeof(RegionTableEntry));
  }
  bool SaysTheSameAs(const RegionTable& other) const {
    const size_t size = sizeof(RegionTableHeader) + count() * sizeof(RegionTableEntry);
    return count() == other.count() &&
           std::equal(bytes_.begin(), bytes_.begin() + size, other.bytes_.begin());
  }

 private:
  std::vector<std::byte> bytes_;
  RegionTableHeader header_ = {};
  bool valid_ = false;
};

Status TakeRegion(const RegionTableEntry& entry, Regions& regions) {
  const uint64_t offset = entry.FileOffset;
  const uint64_t size = entry.Length;
  const bool is_bat = entry.Id == kBatRegion;
  const bool is_metadata = entry.Id == kMetadataRegion;
  const std::string what = is_bat        ? "the block allocation table"
                           : is_metadata ? "the metadata region"
                                         : StrCat("region ", FormatGuid(entry.Id));
  if (!is_bat && !is_metadata && (entry.Required & kRequired) != 0) {
    return Unsupported(StrCat("vhdx: the image cannot be read without understanding its ", what,
                              ", which is unknown"));
  }
  const std::string where = StrCat("vhdx: ", what, " at ", Hex(offset), " (", size, " bytes)");
  if (offset < kHeaderSectionSize) {
    return CorruptImage(StrCat(where, " overlaps the header section"));
  }
  if (offset % kMiB != 0 || size % kMiB != 0) {
    return CorruptImage(StrCat(where, " does not lie at whole MiB"));
  }
  if (is_bat || is_metadata) {
    Region& region = is_bat ? regions.bat : regions.metadata;
    if (region.offset != 0) return CorruptImage(StrCat(where, " is there twice"));
    region = {.offset = offset, .size = size};
  } else {
    regions.unknown.push_back({.offset = offset, .size = size, .what = what});
  }
  if (size > 0) regions.all.push_back({.offset = offset, .size = size, .what = what});
  return OkStatus();
}

}  // namespace

Result<CurrentHeader> ReadCurrentHeader(IoChannel& io, const FileHandle& file) {
  std::array<Header, 2> headers;
  std::array<bool, 2> valid;
  for (size_t i = 0; i < headers.size(); ++i) {
    HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, kHeaderOffsets[i],
                                      std::as_writable_bytes(std::span(&headers[i], 1)),
                                      "vhdx: the header"));
    valid[i] = IsValid(headers[i]);
  }
  if (!valid[0] && !valid[1]) {
    return CorruptImage(
        "vhdx: neither of the two headers is valid (signature and checksum); the image is "
        "damaged");
  }
  const bool both = valid[0] && valid[1];
  const uint64_t first = headers[0].SequenceNumber;
  const uint64_t second = headers[1].SequenceNumber;
  if (both && first == second && std::memcmp(&headers[0], &headers[1], sizeof(Header)) != 0) {
    return CorruptImage(StrCat("vhdx: the two headers have the same sequence number ", first,
                               ", but differ; which counts is not sure"));
  }
  const size_t current = both ? (second > first ? 1 : 0) : (valid[0] ? 0 : 1);
  CurrentHeader out = {.header = headers[current], .warnings = {}};
  if (!both) {
    out.warnings.push_back(StrCat("vhdx: the header at ", Hex(kHeaderOffsets[1 - current]),
                                  " is damaged; the other one is used"));
    out.differences.push_back(
        StrCat("the header at ", Hex(kHeaderOffsets[1 - current]), " is damaged"));
  } else if (!AgreeOnPlaces(headers[0], headers[1])) {
    out.differences.emplace_back("the two headers are of different versions or logs");
  }
  HOTCELL_RETURN_IF_ERROR(CheckHeader(out.header, file));
  return out;
}

Result<Regions> ReadRegions(IoChannel& io, LoggedFile& file) {
  std::array<RegionTable, 2> tables;
  for (size_t i = 0; i < tables.size(); ++i) {
    HOTCELL_RETURN_IF_ERROR(tables[i].Read(io, file, kRegionTableOffsets[i]));
  }
  if (!tables[0].valid() && !tables[1].valid()) {
    return CorruptImage(
        "vhdx: neither of the two region tables is valid (signature, checksum and count); the "
        "image is damaged");
  }
  const size_t current = tables[0].valid() ? 0 : 1;
  Regions regions;
  if (!tables[1 - current].valid()) {
    regions.warnings.push_back(StrCat("vhdx: the region table at ",
                                      Hex(kRegionTableOffsets[1 - current]),
                                      " is damaged; the other one is used"));
    regions.differences.push_back(
        StrCat("the region table at ", Hex(kRegionTableOffsets[1 - current]), " is damaged"));
  } else if (!tables[0].SaysTheSameAs(tables[1])) {
    regions.warnings.emplace_back(
        "vhdx: the two region tables differ; the first is used, other programs may use the second");
    regions.differences.emplace_back("the two region tables differ");
  }
  for (uint32_t i = 0; i < tables[current].count(); ++i) {
    HOTCELL_RETURN_IF_ERROR(TakeRegion(tables[current].entry(i), regions));
  }
  if (regions.bat.size == 0 || regions.metadata.size == 0) {
    return CorruptImage(StrCat("vhdx: the region table has no ",
                               regions.bat.size == 0 ? "block allocation table" : "metadata",
                               "; the image is damaged"));
  }
  return regions;
}

}  // namespace hotcell::guest::vhdx
