#include "guest/formats/vhdx/layout.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "guest/formats/vhdx/guid.h"
#include "guest/formats/vhdx/header.h"

namespace hotcell::guest::vhdx {
namespace {

Status CheckFileType(IoChannel& io, const FileHandle& file) {
  if (file.size < kHeaderSectionSize) {
    return CorruptImage(StrCat("vhdx: the file has ", file.size,
                               " bytes, fewer than the header section of a VHDX; it is truncated "
                               "or no VHDX"));
  }
  char signature[kFileSignature.size()];
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, std::as_writable_bytes(std::span(signature)),
                                    "vhdx: the file type identifier"));
  if (HasSignature(signature, kFileSignature)) return OkStatus();
  return CorruptImage("vhdx: the file does not start with 'vhdxfile'; it is no VHDX");
}

// 2.5 "BAT": how many entries the disk needs.
void CountEntries(Layout& layout) {
  const Metadata& metadata = layout.metadata;
  layout.chunk_ratio = ChunkRatio(metadata.logical_sector_size, metadata.block_size);
  const uint64_t blocks = metadata.virtual_size / metadata.block_size +
                          (metadata.virtual_size % metadata.block_size != 0 ? 1 : 0);
  layout.payload_blocks = blocks;
  if (blocks == 0) return;
  layout.bat_entries =
      metadata.parent ? layout.BitmapEntry(blocks - 1) + 1 : layout.PayloadEntry(blocks - 1) + 1;
}

void AddWarnings(std::vector<std::string>& all, std::vector<std::string> more) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

}  // namespace

Status Layout::ReadBat(IoChannel& io, uint64_t first, std::span<uint64_t> out) const {
  static_assert(std::endian::native == std::endian::little);
  return file->Read(io, bat_offset + first * sizeof(uint64_t), std::as_writable_bytes(out),
                    "vhdx: the block allocation table");
}

Status Layout::CheckPlace(std::string_view what, uint64_t block, uint64_t offset,
                          uint64_t size) const {
  const bool in_file = InFile(offset, size, file->size());
  const FileRegion* const other = in_file ? FindOverlap(regions, offset, size) : nullptr;
  if (in_file && other == nullptr) return OkStatus();
  const std::string where =
      StrCat("vhdx: ", what, " ", block, " (disk offset ", Hex(block * metadata.block_size),
             ") at ", Hex(offset), " (", size, " bytes)");
  if (!in_file) {
    return CorruptImage(StrCat(where, " reaches past the end of the file (", file->size(),
                               " bytes); the file is truncated or damaged"));
  }
  return CorruptImage(StrCat(where, " overlaps ", other->what, " at ", Hex(other->offset), " (",
                             other->size, " bytes)"));
}

Status Layout::CheckPayload(uint64_t block, uint64_t entry) const {
  return CheckPlace("block", block, entry & kFileOffsetMask, UsedSize(block));
}

Status Layout::CheckBitmap(uint64_t block, uint64_t entry) const {
  return CheckPlace("the sector bitmap of block", block, entry & kFileOffsetMask,
                    kSectorBitmapSize);
}

Result<Layout> ReadLayout(IoChannel& io, const FileHandle& file) {
  HOTCELL_RETURN_IF_ERROR(CheckFileType(io, file));
  auto current = ReadCurrentHeader(io, file);
  if (!current.ok()) return current.status();
  const Header& header = current->header;

  LogReplay log;
  if (header.LogGuid != kNoGuid) {
    auto replay = ReadLog(io, file, header);
    if (!replay.ok()) return replay.status();
    log = std::move(*replay);
  }
  Layout layout;
  layout.file = std::make_unique<LoggedFile>(file, std::move(log));
  layout.data_write_guid = FormatGuid(header.DataWriteGuid);
  auto regions = ReadRegions(io, *layout.file);
  if (!regions.ok()) return regions.status();
  auto metadata = ReadMetadata(io, *layout.file, regions->metadata);
  if (!metadata.ok()) return metadata.status();
  layout.metadata = std::move(*metadata);
  AddWarnings(layout.warnings, std::move(current->warnings));
  AddWarnings(layout.warnings, std::move(regions->warnings));

  layout.regions = {{.offset = 0, .size = kHeaderSectionSize, .what = "the header section"}};
  if (header.LogLength != 0) {
    layout.regions.push_back(
        {.offset = header.LogOffset, .size = header.LogLength, .what = "the log"});
  }
  std::move(regions->all.begin(), regions->all.end(), std::back_inserter(layout.regions));
  HOTCELL_RETURN_IF_ERROR(CheckRegions("vhdx", layout.regions, layout.file->size()));

  CountEntries(layout);
  layout.bat_offset = regions->bat.offset;
  if (layout.bat_entries > regions->bat.size / sizeof(uint64_t)) {
    return CorruptImage(StrCat("vhdx: the block allocation table at ", Hex(layout.bat_offset), " (",
                               regions->bat.size, " bytes) is too small for the ",
                               layout.bat_entries, " entries of a disk of ",
                               layout.metadata.virtual_size, " bytes"));
  }
  return layout;
}

}  // namespace hotcell::guest::vhdx
