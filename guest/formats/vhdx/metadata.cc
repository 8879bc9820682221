#include "guest/formats/vhdx/metadata.h"

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include "base/text.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/vhdx/guid.h"

namespace hotcell::guest::vhdx {
namespace {

// Larger than the names of a file that can be opened, in UTF-16.
constexpr uint32_t kMaxParentLocator = 64 << 10;

struct KnownItem {
  const Guid& id;
  std::string_view what;
  uint32_t size;  // bytes; 0: any
  uint32_t flags = kItemIsRequired | kItemIsVirtualDisk;
};
enum Item : size_t { kParameters, kSize, kId, kLogical, kPhysical, kParent, kItemCount };
constexpr KnownItem kKnownItems[kItemCount] = {
    {kFileParameters, "the file parameters", sizeof(FileParameters), kItemIsRequired},
    {kVirtualDiskSize, "the virtual disk size", 8},
    {kVirtualDiskId, "the virtual disk ID", 16},
    {kLogicalSectorSize, "the logical sector size", 4},
    {kPhysicalSectorSize, "the physical sector size", 4},
    {kParentLocatorItem, "the parent locator", 0, kItemIsRequired},
};

class MetadataReader {
 public:
  MetadataReader(IoChannel& io, LoggedFile& file, const Region& region)
      : io_(io), file_(file), region_(region) {}

  Status ReadTable();
  template <typename T>
  Status ReadItem(Item item, T& value) {
    if (entries_[item]) return ReadBytes(item, std::as_writable_bytes(std::span(&value, 1)));
    return CorruptImage(StrCat("vhdx: the metadata lacks ", kKnownItems[item].what));
  }
  Result<std::vector<std::byte>> ReadParentLocator();
  bool Has(Item item) const { return entries_[item].has_value(); }
  uint32_t unknown_items() const { return unknown_items_; }
  bool flags_as_specified() const { return flags_as_specified_; }

 private:
  Status TakeEntry(const MetadataTableEntry& entry);
  Status CheckEntry(const MetadataTableEntry& entry, const KnownItem& known) const;
  Status ReadBytes(Item item, std::span<std::byte> out) {
    return file_.Read(io_, region_.offset + entries_[item]->Offset, out, "vhdx: the metadata");
  }

  IoChannel& io_;
  LoggedFile& file_;
  const Region region_;
  std::optional<MetadataTableEntry> entries_[kItemCount];
  uint32_t unknown_items_ = 0;
  bool flags_as_specified_ = true;
};

Status MetadataReader::CheckEntry(const MetadataTableEntry& entry, const KnownItem& known) const {
  const uint32_t length = entry.Length;
  const std::string where = StrCat("vhdx: ", known.what, " at ", Hex(entry.Offset),
                                   " of the metadata (", length, " bytes)");
  if (known.size != 0 && length != known.size) {
    return CorruptImage(StrCat(where, " does not have the ", known.size, " bytes that it should"));
  }
  if (entry.Offset < kMetadataTableSize) {
    return CorruptImage(StrCat(where, " lies within the table of the metadata"));
  }
  if (!InFile(entry.Offset, length, region_.size)) {
    return CorruptImage(
        StrCat(where, " reaches past the end of the metadata region (", region_.size, " bytes)"));
  }
  return OkStatus();
}

Status MetadataReader::TakeEntry(const MetadataTableEntry& entry) {
  const auto known = std::find_if(std::begin(kKnownItems), std::end(kKnownItems),
                                  [&](const KnownItem& item) { return item.id == entry.ItemId; });
  if (known == std::end(kKnownItems)) {
    ++unknown_items_;
    if ((entry.Flags & kItemIsRequired) == 0) return OkStatus();
    return Unsupported(StrCat("vhdx: the image cannot be read without understanding its metadata ",
                              FormatGuid(entry.ItemId), ", which is unknown"));
  }
  HOTCELL_RETURN_IF_ERROR(CheckEntry(entry, *known));
  std::optional<MetadataTableEntry>& place = entries_[known - std::begin(kKnownItems)];
  if (place) return CorruptImage(StrCat("vhdx: the metadata has ", known->what, " twice"));
  place = entry;
  constexpr uint32_t kFlags = kItemIsUser | kItemIsVirtualDisk | kItemIsRequired;
  flags_as_specified_ &= (entry.Flags & kFlags) == known->flags;
  return OkStatus();
}

Status MetadataReader::ReadTable() {
  MetadataTableHeader header;
  HOTCELL_RETURN_IF_ERROR(
      file_.ReadStruct(io_, region_.offset, header, "vhdx: the metadata table"));
  if (!HasSignature(header.Signature, kMetadataSignature)) {
    return CorruptImage(StrCat("vhdx: the metadata region at ", Hex(region_.offset),
                               " does not start with 'metadata'; the image is damaged"));
  }
  if (header.EntryCount > kMaxMetadataItems) {
    return CorruptImage(StrCat("vhdx: the metadata table has ", uint16_t{header.EntryCount},
                               " entries, more than the ", kMaxMetadataItems, " it has room for"));
  }
  for (uint32_t i = 0; i < header.EntryCount; ++i) {
    MetadataTableEntry entry;
    HOTCELL_RETURN_IF_ERROR(file_.ReadStruct(
        io_, region_.offset + sizeof(MetadataTableHeader) + i * sizeof(MetadataTableEntry), entry,
        "vhdx: the metadata table"));
    HOTCELL_RETURN_IF_ERROR(TakeEntry(entry));
  }
  return OkStatus();
}

Result<std::vector<std::byte>> MetadataReader::ReadParentLocator() {
  if (!entries_[kParent]) {
    return CorruptImage("vhdx: the disk is a differencing one, but has no parent locator");
  }
  const uint32_t length = entries_[kParent]->Length;
  if (length > kMaxParentLocator) {
    return CorruptImage(StrCat("vhdx: the parent locator has ", length, " bytes, more than the ",
                               kMaxParentLocator, " that names can need"));
  }
  std::vector<std::byte> item(length);
  HOTCELL_RETURN_IF_ERROR(ReadBytes(kParent, item));
  return item;
}

Status CheckValues(const Metadata& metadata) {
  const auto is_sector = [](uint64_t size) { return size == 512 || size == 4096; };
  if (!std::has_single_bit(metadata.block_size) || metadata.block_size < kMinBlockSize ||
      metadata.block_size > kMaxBlockSize) {
    return CorruptImage(StrCat("vhdx: invalid block size ", metadata.block_size,
                               ": it is no power of two between 1 MiB and 256 MiB"));
  }
  if (!is_sector(metadata.logical_sector_size) || !is_sector(metadata.physical_sector_size)) {
    return CorruptImage(StrCat("vhdx: sectors of ", metadata.logical_sector_size, " and ",
                               metadata.physical_sector_size,
                               " bytes: they can have 512 or 4096 only"));
  }
  if (metadata.virtual_size > kMaxVirtualSize ||
      metadata.virtual_size % metadata.logical_sector_size != 0) {
    return CorruptImage(StrCat("vhdx: the virtual disk size of ", metadata.virtual_size,
                               " bytes is more than 64 TiB or no whole number of sectors"));
  }
  return OkStatus();
}

}  // namespace

Result<Metadata> ReadMetadata(IoChannel& io, LoggedFile& file, const Region& region) {
  MetadataReader reader(io, file, region);
  HOTCELL_RETURN_IF_ERROR(reader.ReadTable());
  FileParameters parameters;
  Le64 size;
  Le32 logical;
  Le32 physical;
  HOTCELL_RETURN_IF_ERROR(reader.ReadItem(kParameters, parameters));
  HOTCELL_RETURN_IF_ERROR(reader.ReadItem(kSize, size));
  HOTCELL_RETURN_IF_ERROR(reader.ReadItem(kLogical, logical));
  HOTCELL_RETURN_IF_ERROR(reader.ReadItem(kPhysical, physical));
  Metadata metadata = {.block_size = parameters.BlockSize,
                       .leave_blocks_allocated = (parameters.Flags & kLeaveBlockAllocated) != 0,
                       .virtual_size = size,
                       .logical_sector_size = logical,
                       .physical_sector_size = physical,
                       .parent = {},
                       .flags = parameters.Flags,
                       .has_parent_locator = reader.Has(kParent),
                       .unknown_items = reader.unknown_items(),
                       .item_flags_as_specified = reader.flags_as_specified()};
  HOTCELL_RETURN_IF_ERROR(CheckValues(metadata));
  if ((parameters.Flags & kHasParent) == 0) return metadata;
  const auto item = reader.ReadParentLocator();
  if (!item.ok()) return item.status();
  auto parent = ParseParentLocator(*item);
  if (!parent.ok()) return parent.status();
  metadata.parent = std::move(*parent);
  return metadata;
}

}  // namespace hotcell::guest::vhdx
