#include "guest/formats/qed/header.h"

#include <bit>
#include <string>
#include <utility>

#include "base/text.h"
#include "guest/formats/qed/on_disk.h"

namespace hotcell::guest::qed {
namespace {

Status CheckHeader(const Header& header) {
  if (header.magic != kMagic) {
    return CorruptImage("qed: the file does not start with the magic bytes \"QED\\0\"");
  }
  if (const uint64_t unknown = header.features & ~kKnownFeatures; unknown != 0) {
    return Unsupported(StrCat("qed: the image needs unknown features: ", Hex(unknown),
                              "; a newer program wrote it, or its header is damaged"));
  }
  if (!IsClusterSize(header.cluster_size)) {
    return CorruptImage(StrCat("qed: cluster_size is ", uint32_t{header.cluster_size},
                               "; it must be a power of two between ", kMinClusterSize, " and ",
                               kMaxClusterSize));
  }
  if (!IsTableSize(header.table_size)) {
    return CorruptImage(StrCat("qed: table_size is ", uint32_t{header.table_size},
                               "; it must be a power of two between 1 and ", kMaxTableSize));
  }
  if (header.header_size == 0) return CorruptImage("qed: header_size is 0 clusters");
  const uint64_t most = MaxImageSize(header.cluster_size, header.table_size);
  if (header.image_size > most || header.image_size % 512 != 0) {
    return CorruptImage(StrCat("qed: the disk has ", uint64_t{header.image_size},
                               " bytes; it must have a multiple of 512, at most ", most));
  }
  if (header.l1_table_offset % header.cluster_size != 0) {
    return CorruptImage(StrCat("qed: the L1 table at ", Hex(header.l1_table_offset),
                               " is not at a cluster boundary (clusters have ",
                               uint32_t{header.cluster_size}, " bytes)"));
  }
  return OkStatus();
}

Result<std::optional<Reference>> ReadBackingName(IoChannel& io, const FileHandle& file,
                                                 const Header& header) {
  const uint64_t features = header.features;
  const uint64_t offset = header.backing_filename_offset;
  const uint32_t size = header.backing_filename_size;
  if ((features & kFeatureBackingFile) == 0 || size == 0) return std::optional<Reference>();
  if (size > kMaxBackingFileName) {
    return CorruptImage(StrCat("qed: the backing file name has ", size, " bytes, more than the ",
                               kMaxBackingFileName, " allowed"));
  }
  const uint64_t area = uint64_t{header.header_size} * header.cluster_size;
  if (offset < sizeof(Header) || offset + size > area) {
    return CorruptImage(StrCat("qed: the backing file name at ", Hex(offset), " (", size,
                               " bytes) is not within the header's clusters (", area, " bytes)"));
  }
  Reference backing{.kind = ReferenceKind::kBackingFile,
                    .name = std::string(size, '\0'),
                    .format = (features & kFeatureBackingFormatNoProbe) != 0 ? "raw" : ""};
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, offset,
                                    std::as_writable_bytes(std::span(backing.name)),
                                    "qed: the backing file name"));
  return std::optional<Reference>(std::move(backing));
}

}  // namespace

bool IsClusterSize(uint64_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kMinClusterSize && bytes <= kMaxClusterSize;
}

bool IsTableSize(uint64_t clusters) {
  return std::has_single_bit(clusters) && clusters <= kMaxTableSize;
}

uint64_t MaxImageSize(uint64_t cluster_size, uint64_t table_size) {
  const uint64_t entries = table_size * cluster_size / sizeof(Le64);
  const int bits = 2 * std::countr_zero(entries) + std::countr_zero(cluster_size);
  return bits < 63 ? uint64_t{1} << bits : INT64_MAX;
}

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file) {
  if (file.size < sizeof(Header)) {
    return CorruptImage(StrCat("qed: the file has ", file.size, " bytes, the header has ",
                               sizeof(Header), "; the file is truncated or not QED"));
  }
  Header raw;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&raw, 1)), "qed: the header"));
  HOTCELL_RETURN_IF_ERROR(CheckHeader(raw));
  ImageHeader header;
  header.features = raw.features;
  header.layout = {
      .format = "qed",
      .byte_order = std::endian::little,
      .file = file,
      .virtual_size = raw.image_size,
      .cluster_size = raw.cluster_size,
      .l2_entries = uint64_t{raw.table_size} * raw.cluster_size / sizeof(Le64),
      .table_alignment = raw.cluster_size,
      .l1_offset = raw.l1_table_offset,
      .l1_size = uint64_t{raw.table_size} * raw.cluster_size,
      .header = {.offset = 0,
                 .size = uint64_t{raw.header_size} * raw.cluster_size,
                 .what = "the header"},
  };
  auto backing = ReadBackingName(io, file, raw);
  if (!backing.ok()) return backing.status();
  header.backing = std::move(*backing);
  return header;
}

}  // namespace hotcell::guest::qed
