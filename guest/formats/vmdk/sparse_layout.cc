#include "guest/formats/vmdk/sparse_layout.h"

#include <algorithm>
#include <array>
#include <span>
#include <tuple>

#include "base/alignment.h"
#include "base/text.h"

namespace hotcell::guest::vmdk {
namespace {

template <typename T>
Result<T> ReadStruct(IoChannel& io, const FileHandle& file, uint64_t offset,
                     std::string_view what) {
  std::array<std::byte, sizeof(T)> bytes;
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, offset, bytes, what));
  return LoadStruct<T>(bytes);
}

// A structure of `sectors` at a sector that a header names.
Result<Region> Place(const FileHandle& file, uint64_t sector, uint64_t sectors,
                     std::string_view what) {
  const uint64_t file_sectors = DivideUp(file.size, kSectorSize);
  if (sector > file_sectors || sectors > file_sectors - sector) {
    return CorruptImage(StrCat("vmdk: ", what, " at sector ", sector, " (", sectors,
                               " sectors) reaches past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  return Region{.offset = sector * kSectorSize, .size = sectors * kSectorSize, .what = what};
}

// What all kinds of extents have; fills layout.gd_entries.
Status CheckGeometry(uint64_t capacity, uint64_t grain_sectors, SparseLayout& layout) {
  if (capacity > kMaxCapacity) {
    return CorruptImage(StrCat("vmdk: a capacity of ", capacity, " sectors is not believable"));
  }
  if (grain_sectors == 0 || grain_sectors > kMaxGrainSectors) {
    return CorruptImage(StrCat("vmdk: grains of ", grain_sectors,
                               " sectors cannot be; they have 1 "
                               "to ",
                               kMaxGrainSectors));
  }
  layout.capacity = capacity * kSectorSize;
  layout.grain_size = grain_sectors * kSectorSize;
  layout.gd_entries = DivideUp(layout.capacity, layout.table_coverage());
  if (layout.gd_entries > kMaxGdEntries) {
    return CorruptImage(StrCat("vmdk: the grain directory would have ", layout.gd_entries,
                               " entries, more than ", kMaxGdEntries, "; the header is damaged"));
  }
  return OkStatus();
}

Status CheckOverlaps(std::vector<Region> regions) {
  std::erase_if(regions, [](const Region& region) { return region.size == 0; });
  std::sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) {
    return std::tie(a.offset, a.size) < std::tie(b.offset, b.size);
  });
  for (size_t i = 1; i < regions.size(); ++i) {
    const Region& before = regions[i - 1];
    if (before.end() <= regions[i].offset) continue;
    return CorruptImage(StrCat("vmdk: ", regions[i].what, " at ", Hex(regions[i].offset),
                               " overlaps ", before.what, " at ", Hex(before.offset), " (",
                               before.size, " bytes)"));
  }
  return OkStatus();
}

// ---- Hosted sparse extents ----------------------------------------------------------------------

Status CheckFields(const SparseExtentHeader& header) {
  if (header.version == 0 || header.version > kMaxVersion) {
    return Unsupported(StrCat("vmdk: version ", uint32_t{header.version},
                              " of sparse extents is not supported; 1 to ", kMaxVersion, " are"));
  }
  // "Newline Detection": what a transfer as text makes of these bytes shows that it was one.
  const bool intact = header.singleEndLineChar == '\n' && header.nonEndLineChar == ' ' &&
                      header.doubleEndLineChar1 == '\r' && header.doubleEndLineChar2 == '\n';
  if ((header.flags & kFlagNewlineDetection) != 0 && !intact) {
    return CorruptImage(
        "vmdk: the header's line ends were changed, as by a file transfer in text mode; the image "
        "is damaged");
  }
  if (header.compressAlgorithm > kCompressionDeflate) {
    return Unsupported(StrCat("vmdk: compression algorithm ", uint16_t{header.compressAlgorithm},
                              " is not supported; 0 (none) and 1 (deflate) are"));
  }
  if ((header.flags & kFlagCompressed) != 0 && header.compressAlgorithm == kCompressionNone) {
    return CorruptImage("vmdk: the header says that grains are compressed, but not how");
  }
  if (header.numGTEsPerGT == 0 || header.numGTEsPerGT > kMaxGtEntries) {
    return CorruptImage(StrCat("vmdk: grain tables of ", uint32_t{header.numGTEsPerGT},
                               " entries cannot be; they have 1 to ", kMaxGtEntries));
  }
  return OkStatus();
}

// The footer takes the place of the header.
Result<SparseExtentHeader> ReadFooter(IoChannel& io, const FileHandle& file,
                                      const SparseExtentHeader& header) {
  const uint64_t end = DivideUp(file.size, kSectorSize) * kSectorSize;
  if (file.size % kSectorSize != 0 || end < sizeof(StreamEnd) + kSectorSize) {
    return CorruptImage(StrCat("vmdk: the file (", file.size,
                               " bytes) is too short for the footer that its header promises; it "
                               "is truncated"));
  }
  auto stream_end = ReadStruct<StreamEnd>(io, file, end - sizeof(StreamEnd), "vmdk: the footer");
  if (!stream_end.ok()) return stream_end.status();
  const MetadataMarker& marker = stream_end->footer_marker;
  const MetadataMarker& last = stream_end->end_of_stream;
  const SparseExtentHeader& footer = stream_end->footer;
  if (footer.magicNumber != kSparseMagic || marker.size != 0 || marker.type != kMarkerFooter ||
      last.numSectors != 0 || last.size != 0 || last.type != kMarkerEndOfStream) {
    return CorruptImage(
        "vmdk: the file does not end with the footer that its header promises; it is truncated or "
        "something was appended to it");
  }
  if (footer.gdOffset == kGdAtEnd) {
    return CorruptImage("vmdk: the footer does not say where the grain directory is");
  }
  if (footer.capacity != header.capacity || footer.grainSize != header.grainSize ||
      footer.numGTEsPerGT != header.numGTEsPerGT ||
      footer.compressAlgorithm != header.compressAlgorithm) {
    return CorruptImage(
        StrCat("vmdk: the footer (capacity ", uint64_t{footer.capacity}, " sectors, grains of ",
               uint64_t{footer.grainSize}, ") and the header (capacity ", uint64_t{header.capacity},
               ", grains of ", uint64_t{header.grainSize}, ") describe different images"));
  }
  return footer;
}

Status PlaceTables(const SparseExtentHeader& header, SparseLayout& layout) {
  const FileHandle& file = layout.file;
  const uint64_t gd_sectors = DivideUp(layout.gd_entries * layout.entry_size, kSectorSize);
  auto gd = Place(file, header.gdOffset, gd_sectors, "the grain directory");
  if (!gd.ok()) return gd.status();
  layout.gd_offset = gd->offset;
  layout.metadata.push_back(*gd);
  const bool redundant = (header.flags & kFlagRedundantTables) != 0 && header.rgdOffset != 0 &&
                         header.rgdOffset != header.gdOffset;
  if (!redundant) return OkStatus();
  auto rgd = Place(file, header.rgdOffset, gd_sectors, "the redundant grain directory");
  if (!rgd.ok()) return rgd.status();
  layout.rgd_offset = rgd->offset;
  layout.metadata.push_back(*rgd);
  return OkStatus();
}

Status PlaceDescriptor(const SparseExtentHeader& header, SparseLayout& layout) {
  if (header.descriptorOffset == 0 || header.descriptorSize == 0) return OkStatus();
  if (header.descriptorSize > kMaxDescriptorBytes / kSectorSize) {
    return LimitExceeded(StrCat("vmdk: a descriptor of ", uint64_t{header.descriptorSize},
                                " sectors is too large; at most ", kMaxDescriptorBytes,
                                " bytes are read"));
  }
  auto place = Place(layout.file, header.descriptorOffset, header.descriptorSize, "the descriptor");
  if (!place.ok()) return place.status();
  layout.descriptor_offset = place->offset;
  layout.descriptor_size = place->size;
  layout.metadata.push_back(*place);
  return OkStatus();
}

Result<SparseLayout> ReadHostedLayout(IoChannel& io, const FileHandle& file) {
  auto header = ReadStruct<SparseExtentHeader>(io, file, 0, "vmdk: the header");
  if (!header.ok()) return header.status();
  SparseLayout layout = {.file = file};
  layout.metadata.push_back({.offset = 0, .size = kSectorSize, .what = "the header"});
  HOTCELL_RETURN_IF_ERROR(CheckFields(*header));
  HOTCELL_RETURN_IF_ERROR(PlaceDescriptor(*header, layout));
  if (header->capacity == 0 && layout.descriptor_size != 0) {
    layout.footer = header->gdOffset == kGdAtEnd;
    return layout;
  }
  if (header->gdOffset == kGdAtEnd) {
    auto footer = ReadFooter(io, file, *header);
    if (!footer.ok()) return footer.status();
    header = *footer;
    HOTCELL_RETURN_IF_ERROR(CheckFields(*header));
    layout.footer = true;
  }
  layout.version = header->version;
  layout.gt_entries = header->numGTEsPerGT;
  layout.compressed = header->compressAlgorithm == kCompressionDeflate;
  layout.markers = (header->flags & kFlagMarkers) != 0;
  layout.zeroed_grains = (header->flags & kFlagZeroedGrains) != 0;
  layout.unclean = header->uncleanShutdown != 0;
  HOTCELL_RETURN_IF_ERROR(CheckGeometry(header->capacity, header->grainSize, layout));
  if (layout.compressed && layout.grain_size > kMaxCompressedGrainBytes) {
    return LimitExceeded(StrCat("vmdk: compressed grains of ", layout.grain_size,
                                " bytes are not supported; at most ", kMaxCompressedGrainBytes,
                                " are"));
  }
  auto overhead = Place(file, 0, header->overHead, "the metadata");
  if (!overhead.ok()) return overhead.status();
  layout.overhead = overhead->size;
  HOTCELL_RETURN_IF_ERROR(PlaceTables(*header, layout));
  HOTCELL_RETURN_IF_ERROR(CheckOverlaps(layout.metadata));
  return layout;
}

}  // namespace

Status CheckFooter(IoChannel& io, const FileHandle& file) {
  auto header = ReadStruct<SparseExtentHeader>(io, file, 0, "vmdk: the header");
  if (!header.ok()) return header.status();
  return ReadFooter(io, file, *header).status();
}

namespace {

// ---- ESX Server sparse extents ------------------------------------------------------------------

Result<SparseLayout> ReadCowdLayout(IoChannel& io, const FileHandle& file) {
  auto header = ReadStruct<CowdHeader>(io, file, 0, "vmdk: the header");
  if (!header.ok()) return header.status();
  SparseLayout layout = {.kind = SparseKind::kCowd, .file = file};
  if (header->version != 1) {
    return Unsupported(StrCat("vmdk: version ", uint32_t{header->version},
                              " of ESX sparse extents is not supported; 1 is"));
  }
  layout.version = header->version;
  layout.gt_entries = kCowdGtEntries;
  HOTCELL_RETURN_IF_ERROR(CheckGeometry(header->numSectors, header->grainSize, layout));
  if (header->numGDEntries < layout.gd_entries) {
    return CorruptImage(StrCat("vmdk: the grain directory has ", uint32_t{header->numGDEntries},
                               " entries; a capacity of ", uint32_t{header->numSectors},
                               " sectors needs ", layout.gd_entries));
  }
  auto gd =
      Place(file, header->gdOffset, DivideUp(layout.gd_entries * layout.entry_size, kSectorSize),
            "the grain directory");
  if (!gd.ok()) return gd.status();
  layout.gd_offset = gd->offset;
  layout.metadata = {{.offset = 0, .size = kCowdHeaderSectors * kSectorSize, .what = "the header"},
                     *gd};
  HOTCELL_RETURN_IF_ERROR(CheckOverlaps(layout.metadata));
  return layout;
}

// ---- seSparse -----------------------------------------------------------------------------------

bool AllZero(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// Takes no more than QEMU takes, since nothing else says what other values mean.
Status CheckConstHeader(const SeSparseConstHeader& header) {
  if (header.magic != kSeSparseConstMagic) {
    return CorruptImage("vmdk: the file is not a seSparse extent: its header has another magic");
  }
  if (header.version != kSeSparseVersion) {
    return Unsupported(StrCat("vmdk: seSparse version ", Hex(header.version), " is not supported; ",
                              Hex(kSeSparseVersion), " is"));
  }
  if (header.grain_size != kSeSparseGrainSectors || header.grain_table_size != kSeSparseGtSectors) {
    return Unsupported(StrCat("vmdk: seSparse grains of ", uint64_t{header.grain_size},
                              " sectors in tables of ", uint64_t{header.grain_table_size},
                              " sectors are not supported; ", kSeSparseGrainSectors, " and ",
                              kSeSparseGtSectors, " are"));
  }
  const bool reserved = std::any_of(std::begin(header.reserved), std::end(header.reserved),
                                    [](uint64_t value) { return value != 0; });
  if (header.flags != 0 || reserved || !AllZero(header.pad)) {
    return Unsupported("vmdk: the seSparse header uses flags or fields that are not known");
  }
  return OkStatus();
}

Status CheckVolatileHeader(const SeSparseVolatileHeader& header) {
  if (header.magic != kSeSparseVolatileMagic) {
    return CorruptImage("vmdk: the seSparse volatile header has the wrong magic");
  }
  if (header.replay_journal != 0) {
    return Unsupported(
        "vmdk: the seSparse extent was not closed cleanly; its journal would have to be replayed, "
        "which is not supported: attach the disk to a virtual machine once");
  }
  if (!AllZero(header.pad)) {
    return Unsupported("vmdk: the seSparse volatile header uses fields that are not known");
  }
  return OkStatus();
}

}  // namespace

Result<SparseLayout> ReadSeSparseLayout(IoChannel& io, const FileHandle& file) {
  auto header = ReadStruct<SeSparseConstHeader>(io, file, 0, "vmdk: the seSparse header");
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckConstHeader(*header));
  SparseLayout layout = {.kind = SparseKind::kSeSparse, .file = file};
  layout.entry_size = sizeof(Le64);
  layout.gt_entries = kSeSparseGtSectors * kSectorSize / sizeof(Le64);
  HOTCELL_RETURN_IF_ERROR(CheckGeometry(header->capacity, header->grain_size, layout));

  auto volatile_header = Place(file, header->volatile_header_offset, 1, "the volatile header");
  if (!volatile_header.ok()) return volatile_header.status();
  auto content = ReadStruct<SeSparseVolatileHeader>(io, file, volatile_header->offset,
                                                    "vmdk: the seSparse volatile header");
  if (!content.ok()) return content.status();
  HOTCELL_RETURN_IF_ERROR(CheckVolatileHeader(*content));

  auto gd = Place(file, header->grain_dir_offset, header->grain_dir_size, "the grain directory");
  if (!gd.ok()) return gd.status();
  if (gd->size / layout.entry_size < layout.gd_entries) {
    return CorruptImage(StrCat("vmdk: the grain directory has ", gd->size / layout.entry_size,
                               " entries; a capacity of ", uint64_t{header->capacity},
                               " sectors needs ", layout.gd_entries));
  }
  layout.gd_offset = gd->offset;
  // Neither of these need be as long in the file as it may become.
  for (const uint64_t sectors :
       {uint64_t{header->grain_tables_offset}, uint64_t{header->grain_tables_size},
        uint64_t{header->grains_offset}}) {
    if (sectors > kMaxCapacity) {
      return CorruptImage("vmdk: the places of the seSparse tables and grains are not believable");
    }
  }
  layout.tables = {.offset = header->grain_tables_offset * kSectorSize,
                   .size = header->grain_tables_size * kSectorSize,
                   .what = "the grain tables"};
  layout.grains_offset = header->grains_offset * kSectorSize;

  layout.metadata = {{.offset = 0, .size = kSectorSize, .what = "the header"},
                     *volatile_header,
                     *gd,
                     layout.tables};
  HOTCELL_RETURN_IF_ERROR(CheckOverlaps(layout.metadata));
  return layout;
}

Result<SparseLayout> ReadSparseLayout(IoChannel& io, const FileHandle& file) {
  auto magic = ReadStruct<Le32>(io, file, 0, "vmdk: the header");
  if (!magic.ok()) return magic.status();
  if (*magic == kSparseMagic) return ReadHostedLayout(io, file);
  if (*magic == kCowdMagic) return ReadCowdLayout(io, file);
  return CorruptImage("vmdk: the file is not a sparse extent: its header has another magic");
}

}  // namespace hotcell::guest::vmdk
