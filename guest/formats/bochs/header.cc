#include "guest/formats/bochs/header.h"

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include "base/alignment.h"
#include "base/text.h"

namespace hotcell::guest::bochs {
namespace {

template <size_t kSize>
std::string_view Text(const char (&field)[kSize]) {
  const std::string_view padded(field, kSize);
  return padded.substr(0, padded.find('\0'));
}

// A name from the file as it can stand in a message.
std::string Printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

Status CheckKind(const Header& header) {
  if (Text(header.magic) != kMagic) {
    return CorruptImage(StrCat("bochs: the file does not start with \"", kMagic, "\""));
  }
  if (Text(header.type) != kTypeRedolog || Text(header.subtype) != kSubtypeGrowing) {
    return Unsupported(StrCat("bochs: the image is of type '", Printable(Text(header.type)), "', '",
                              Printable(Text(header.subtype)),
                              "'; only growing images hold a disk of their own"));
  }
  if (header.version != kVersion1 && header.version != kVersion2) {
    return Unsupported(StrCat("bochs: unsupported version ", Hex(header.version)));
  }
  return OkStatus();
}

uint64_t DiskSize(const Header& header) {
  if (header.version != kVersion1) return header.disk;
  return LoadStruct<Le64>(std::as_bytes(std::span(&header, 1)), kDiskOffsetV1);
}

Status CheckSizes(const Header& header, uint64_t disk) {
  if (header.header < sizeof(Header)) {
    return CorruptImage(StrCat("bochs: the catalog is at ", uint32_t{header.header},
                               ", in the header, which has ", sizeof(Header), " bytes"));
  }
  if (header.catalog > kMaxCatalogEntries) {
    return CorruptImage(StrCat("bochs: the catalog has ", uint32_t{header.catalog},
                               " entries, more than the ", kMaxCatalogEntries, " allowed"));
  }
  const uint32_t extent = header.extent;
  if (!std::has_single_bit(extent) || extent < kSectorSize || extent > kMaxExtentSize) {
    return CorruptImage(StrCat("bochs: extents have ", extent,
                               " bytes; it must be a power of two between ", kSectorSize, " and ",
                               kMaxExtentSize));
  }
  const uint32_t sectors = extent / kSectorSize;
  if (header.bitmap < DivideUp(sectors, 8) || header.bitmap > kMaxBitmapSize) {
    return CorruptImage(StrCat("bochs: the bitmaps have ", uint32_t{header.bitmap},
                               " bytes; with extents of ", sectors, " sectors they need ",
                               DivideUp(sectors, 8), ", and at most ", kMaxBitmapSize,
                               " are allowed"));
  }
  const uint64_t most = uint64_t{header.catalog} * extent;
  if (disk > most) {
    return CorruptImage(
        StrCat("bochs: the disk has ", disk, " bytes, but the catalog has room for ", most));
  }
  return OkStatus();
}

}  // namespace

bool IsGrowingImage(const Header& header) { return CheckKind(header).ok(); }

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file) {
  if (file.size < sizeof(Header)) {
    return CorruptImage(StrCat("bochs: the file has ", file.size, " bytes, the header has ",
                               sizeof(Header), "; the file is truncated or not a Bochs image"));
  }
  Header raw;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&raw, 1)), "bochs: the header"));
  HOTCELL_RETURN_IF_ERROR(CheckKind(raw));
  ImageHeader header;
  header.version = raw.version == kVersion1 ? 1 : 2;
  header.virtual_size = DiskSize(raw);
  HOTCELL_RETURN_IF_ERROR(CheckSizes(raw, header.virtual_size));
  header.catalog_offset = raw.header;
  header.catalog_entries = raw.catalog;
  header.bitmap_size = AlignUp(raw.bitmap, kSectorSize);
  header.extent_size = raw.extent;
  if (header.catalog_end() > file.size) {
    return CorruptImage(StrCat("bochs: the catalog ends at ", Hex(header.catalog_end()),
                               ", past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  return header;
}

}  // namespace hotcell::guest::bochs
