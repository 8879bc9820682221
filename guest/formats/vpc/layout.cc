#include "guest/formats/vpc/layout.h"

#include <bit>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "guest/formats/vpc/parent.h"

namespace hotcell::guest::vpc {
namespace {

constexpr uint64_t kMinBlockSize = kSectorSize;

Status CheckFooter(const Footer& footer, uint64_t virtual_size) {
  if (footer.file_format_version >> 16 != kFormatVersion >> 16) {
    return Unsupported(StrCat("vpc: the image is of version ", footer.file_format_version >> 16,
                              " of the format; only version 1 is known"));
  }
  const uint32_t type = footer.disk_type;
  if (type != kTypeFixed && type != kTypeDynamic && type != kTypeDifferencing) {
    return CorruptImage(
        StrCat("vpc: disk type ", type, " is none of fixed (2), dynamic (3) and differencing (4)"));
  }
  if (virtual_size / kSectorSize > kMaxSectors) {
    return CorruptImage(StrCat("vpc: the disk's size of ", virtual_size,
                               " bytes is more than the 2040 GiB that the format can hold"));
  }
  return OkStatus();
}

Status CheckFixed(const Layout& layout, uint64_t in_file) {
  if (layout.virtual_size <= in_file) return OkStatus();
  return CorruptImage(StrCat("vpc: the fixed disk has ", layout.virtual_size,
                             " bytes, but the file holds only ", in_file,
                             " before its footer; it is truncated or damaged"));
}

Result<DynamicHeader> ReadDynamicHeader(IoChannel& io, const FileHandle& file, uint64_t offset) {
  const std::string where = StrCat("vpc: the dynamic disk header at ", Hex(offset));
  if (!InFile(offset, sizeof(DynamicHeader), file.size)) {
    return CorruptImage(StrCat(where, " reaches past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  DynamicHeader header;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, offset, std::as_writable_bytes(std::span(&header, 1)), where));
  if (std::string_view(header.cookie, sizeof(header.cookie)) != kHeaderCookie) {
    return CorruptImage(StrCat(where, " does not start with 'cxsparse'; the image is damaged"));
  }
  if (ChecksumOf(header) != header.checksum) {
    return CorruptImage(StrCat(where, " has a checksum that is wrong; the image is damaged"));
  }
  if (header.header_version >> 16 != kFormatVersion >> 16) {
    return Unsupported(
        StrCat(where, " is of version ", header.header_version >> 16, "; only version 1 is known"));
  }
  return header;
}

Status TakeHeader(const DynamicHeader& header, uint64_t header_offset, Layout& layout) {
  const uint32_t block_size = header.block_size;
  if (!std::has_single_bit(block_size) || block_size < kMinBlockSize) {
    return CorruptImage(StrCat("vpc: invalid block size ", block_size,
                               ": it is no power of two of at least ", kMinBlockSize, " bytes"));
  }
  layout.block_size = block_size;
  layout.bitmap_size = BitmapSize(block_size);
  layout.table_offset = header.table_offset;
  layout.table_entries =
      layout.virtual_size / block_size + (layout.virtual_size % block_size != 0 ? 1 : 0);
  const uint64_t max_entries = header.max_table_entries;
  layout.max_table_entries = max_entries;
  if (max_entries < layout.table_entries) {
    return CorruptImage(StrCat("vpc: the block allocation table is too small: ", max_entries,
                               " entries of ", block_size, " bytes for a disk of ",
                               layout.virtual_size, " bytes"));
  }
  layout.regions.push_back(
      {.offset = header_offset, .size = sizeof(DynamicHeader), .what = "the dynamic disk header"});
  // Entries beyond the disk's end need not be there: they mean nothing.
  layout.regions.push_back({.offset = layout.table_offset,
                            .size = layout.table_entries * sizeof(Be32),
                            .what = "the block allocation table"});
  return OkStatus();
}

}  // namespace

Status Layout::CheckBlock(uint64_t block, uint32_t sector) const {
  const uint64_t begin = sector * kSectorSize;
  const uint64_t size = bitmap_size + block_size;
  const bool in_file = InFile(begin, size, blocks_end);
  const FileRegion* const other = in_file ? FindOverlap(regions, begin, size) : nullptr;
  if (in_file && other == nullptr) return OkStatus();
  const std::string where = StrCat("vpc: block ", block, " (disk offset ", Hex(block * block_size),
                                   ") at ", Hex(begin), " (", size, " bytes with its bitmap)");
  if (!in_file) {
    return CorruptImage(StrCat(where, " reaches past the end of the blocks in the file (",
                               blocks_end, " bytes); the file is truncated or damaged"));
  }
  return CorruptImage(StrCat(where, " overlaps ", other->what, " at ", Hex(other->offset), " (",
                             other->size, " bytes)"));
}

Result<Layout> ReadLayout(IoChannel& io, const FileHandle& file, const Footers& footers) {
  auto chosen = ChooseFooter(footers);
  if (!chosen.ok()) return chosen.status();
  const Footer& footer = chosen->footer;
  Layout layout = {.file = file,
                   .disk_type = footer.disk_type,
                   .virtual_size = VirtualSize(footer),
                   .unique_id = FormatUuid(footer.unique_id),
                   .warnings = std::move(chosen->warnings),
                   .regions = {},
                   .parent = {}};
  HOTCELL_RETURN_IF_ERROR(CheckFooter(footer, layout.virtual_size));
  if (footer.saved_state != 0) {
    layout.warnings.emplace_back(
        "vpc: the image belongs to a machine in saved state; its file systems may be incomplete");
  }
  if (layout.disk_type == kTypeFixed) {
    if (!footers.last || !HasRightChecksum(*footers.last)) {
      return CorruptImage(
          "vpc: the disk is a fixed one, but its footer is not at the end of the file; it is "
          "truncated or damaged");
    }
    HOTCELL_RETURN_IF_ERROR(CheckFixed(layout, footers.end));
    return layout;
  }

  layout.blocks_end = footers.end;
  if (footers.first) {
    layout.regions.push_back(
        {.offset = 0, .size = sizeof(Footer), .what = "the copy of the footer"});
  }
  auto header = ReadDynamicHeader(io, file, footer.data_offset);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(TakeHeader(*header, footer.data_offset, layout));
  if (layout.disk_type == kTypeDifferencing) {
    auto parent = ReadParent(io, file, *header);
    if (!parent.ok()) return parent.status();
    layout.parent = std::move(parent->reference);
    for (FileRegion& region : parent->regions) layout.regions.push_back(std::move(region));
  }
  HOTCELL_RETURN_IF_ERROR(CheckRegions("vpc", layout.regions, layout.blocks_end));
  return layout;
}

}  // namespace hotcell::guest::vpc
