#include "guest/formats/vdi/header.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/vdi/on_disk.h"

namespace hotcell::guest::vdi {
namespace {

bool IsNull(const Uuid& uuid) {
  return std::all_of(std::begin(uuid.bytes), std::end(uuid.bytes),
                     [](std::byte byte) { return byte == std::byte{0}; });
}

Status CheckType(const Header& header) {
  std::string_view difference;
  if (header.image_type == kTypeUndo) difference = "an undo image (type 3)";
  if (header.image_type == kTypeDiff) difference = "a differencing image (type 4)";
  if (difference.empty() && !IsNull(header.uuid_link)) difference = "an image with a link UUID";
  if (difference.empty() && !IsNull(header.uuid_parent)) difference = "an image with a parent UUID";
  if (!difference.empty()) {
    return Unsupported(StrCat("vdi: this is ", difference,
                              ": it holds only what differs from another image, which it does not "
                              "name; let VirtualBox merge the two"));
  }
  if (header.image_type != kTypeDynamic && header.image_type != kTypeStatic) {
    return Unsupported(StrCat("vdi: unknown image type ", uint32_t{header.image_type}));
  }
  return OkStatus();
}

Status CheckGeometry(const Header& header) {
  if (header.sector_size != kSectorSize) {
    return Unsupported(StrCat("vdi: sectors of ", uint32_t{header.sector_size},
                              " bytes are not supported, only of ", kSectorSize));
  }
  if (header.block_size != kBlockSize) {
    return Unsupported(StrCat("vdi: blocks of ", uint32_t{header.block_size},
                              " bytes are not supported, only of ", kBlockSize));
  }
  if (header.block_extra != 0) {
    return Unsupported(StrCat("vdi: blocks with ", uint32_t{header.block_extra},
                              " extra bytes each are not supported"));
  }
  if (header.blocks_in_image > kMaxBlocks) {
    return Unsupported(StrCat("vdi: ", uint32_t{header.blocks_in_image},
                              " blocks are more than the supported ", kMaxBlocks));
  }
  if (header.disk_size > header.blocks_in_image * kBlockSize) {
    return CorruptImage(StrCat("vdi: the disk has ", uint64_t{header.disk_size},
                               " bytes, but its block map only ", uint32_t{header.blocks_in_image},
                               " blocks of ", kBlockSize));
  }
  return OkStatus();
}

Status CheckLayout(const Header& header, const FileHandle& file) {
  const uint64_t map_offset = header.offset_bmap;
  const uint64_t map_size = header.blocks_in_image * sizeof(uint32_t);
  const uint64_t data_offset = header.offset_data;
  if (map_offset % kSectorSize != 0 || data_offset % kSectorSize != 0) {
    return Unsupported(StrCat("vdi: the block map at ", Hex(map_offset), " or the data at ",
                              Hex(data_offset), " is not at a sector boundary"));
  }
  if (map_offset < sizeof(Header)) {
    return CorruptImage(StrCat("vdi: the block map at ", Hex(map_offset), " overlaps the header"));
  }
  if (map_offset > file.size || map_size > file.size - map_offset) {
    return CorruptImage(StrCat("vdi: the block map at ", Hex(map_offset), " (", map_size,
                               " bytes) reaches past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  if (data_offset < map_offset + map_size) {
    return CorruptImage(StrCat("vdi: the data at ", Hex(data_offset), " overlaps the block map at ",
                               Hex(map_offset), " (", map_size, " bytes)"));
  }
  return OkStatus();
}

}  // namespace

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file) {
  Header header;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&header, 1)), "vdi: the header"));
  if (header.signature != kSignature) return CorruptImage("vdi: this is no VDI image: bad magic");
  if (header.version != kVersion11) {
    return Unsupported(StrCat("vdi: version ", header.version >> 16, ".", header.version & 0xffff,
                              " is not supported, only 1.1"));
  }
  HOTCELL_RETURN_IF_ERROR(CheckType(header));
  HOTCELL_RETURN_IF_ERROR(CheckGeometry(header));
  HOTCELL_RETURN_IF_ERROR(CheckLayout(header, file));
  return ImageHeader{
      .is_static = header.image_type == kTypeStatic,
      // VBoxManage makes images of odd sizes.
      .virtual_size = AlignUp(header.disk_size, kSectorSize),
      .map_offset = header.offset_bmap,
      .data_offset = header.offset_data,
      .blocks = header.blocks_in_image,
      .blocks_allocated = header.blocks_allocated,
  };
}

}  // namespace hotcell::guest::vdi
