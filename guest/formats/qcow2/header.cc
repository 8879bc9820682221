#include "guest/formats/qcow2/header.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "guest/formats/qcow2/header_extensions.h"

namespace hotcell::guest::qcow2 {
namespace {

// What is read of the first cluster before it is known where its extensions end.
constexpr uint64_t kFirstRead = 64 << 10;

// "Feature name table": the first number of its entries.
constexpr uint8_t kIncompatible = 0;
constexpr uint8_t kCompatible = 1;
constexpr uint8_t kAutoclear = 2;

// What the image itself calls a bit.
std::string NameOfBit(const std::vector<FeatureName>& names, uint8_t type, uint32_t bit) {
  for (const FeatureName& entry : names) {
    if (entry.type != type || entry.bit != bit) continue;
    const std::string_view padded(entry.name, sizeof(entry.name));
    const std::string_view name = padded.substr(0, padded.find('\0'));
    if (!name.empty()) return StrCat(name, " (bit ", bit, ")");
  }
  return StrCat("bit ", bit);
}

Status CheckIncompatibleFeatures(uint64_t features, const std::vector<FeatureName>& names) {
  constexpr uint64_t kKnown = kIncompatibleDirty | kIncompatibleCorrupt | kIncompatibleDataFile |
                              kIncompatibleCompression | kIncompatibleExtendedL2;
  std::string unknown;
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if (((features & ~kKnown) >> bit & 1) == 0) continue;
    if (!unknown.empty()) unknown += ", ";
    unknown += NameOfBit(names, kIncompatible, bit);
  }
  if (unknown.empty()) return OkStatus();
  return Unsupported(StrCat("qcow2: the image needs unknown incompatible features: ", unknown,
                            "; a newer program wrote it, or its header is damaged"));
}

// The names that qemu-img gives the bits of a type, lowest first.
std::span<const std::string_view> KnownFeatures(uint8_t type) {
  static constexpr std::string_view kKnownIncompatible[] = {
      "dirty bit", "corrupt bit", "external data file", "compression type", "extended L2 entries"};
  static constexpr std::string_view kKnownCompatible[] = {"lazy refcounts"};
  static constexpr std::string_view kKnownAutoclear[] = {"bitmaps", "raw external data"};
  switch (type) {
    case kIncompatible:
      return kKnownIncompatible;
    case kCompatible:
      return kKnownCompatible;
    default:
      return kKnownAutoclear;
  }
}

void ListFeatures(std::string_view kind, uint8_t type, uint64_t bits,
                  const std::vector<FeatureName>& names, std::vector<std::string>& features) {
  const std::span<const std::string_view> known = KnownFeatures(type);
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if ((bits >> bit & 1) == 0) continue;
    features.push_back(StrCat(
        kind, ": ", bit < known.size() ? std::string(known[bit]) : NameOfBit(names, type, bit)));
  }
}

Status CheckVersion3Fields(const Header& raw, uint64_t cluster_size) {
  if (raw.header_length < kHeaderLengthV3) {
    return CorruptImage(StrCat("qcow2: header_length is ", uint32_t{raw.header_length},
                               ", but a version 3 header has at least ", kHeaderLengthV3,
                               " bytes"));
  }
  if (raw.header_length > cluster_size || raw.header_length % 8 != 0) {
    return CorruptImage(StrCat("qcow2: header_length is ", uint32_t{raw.header_length},
                               "; it must be a multiple of 8 and fit the first cluster (",
                               cluster_size, " bytes)"));
  }
  if (raw.refcount_order > kMaxRefcountOrder) {
    return CorruptImage(StrCat("qcow2: refcount_order is ", uint32_t{raw.refcount_order},
                               ", the highest valid one is ", kMaxRefcountOrder));
  }
  return OkStatus();
}

Result<Compression> ChooseCompression(uint8_t type, uint64_t incompatible) {
  const bool declared = (incompatible & kIncompatibleCompression) != 0;
  if (type > kCompressionZstd) {
    return Unsupported(StrCat("qcow2: unknown compression type ", type));
  }
  if (declared != (type != kCompressionZlib)) {
    return CorruptImage(StrCat("qcow2: compression type ", type, declared ? " with" : " without",
                               " the compression type feature bit; the header is damaged"));
  }
  return type == kCompressionZstd ? Compression::kZstd : Compression::kDeflate;
}

Status ReadBackingName(IoChannel& io, const FileHandle& file, const Header& raw,
                       ImageHeader& header) {
  const uint64_t offset = raw.backing_file_offset;
  const uint32_t size = raw.backing_file_size;
  if (offset == 0 || size == 0) return OkStatus();
  if (size > kMaxBackingFileName) {
    return CorruptImage(StrCat("qcow2: the backing file name has ", size, " bytes, more than the ",
                               kMaxBackingFileName, " allowed"));
  }
  if (offset < header.header_length || offset > header.cluster_size ||
      size > header.cluster_size - offset) {
    return CorruptImage(StrCat("qcow2: the backing file name at ", Hex(offset), " (", size,
                               " bytes) is not within the first cluster (", header.cluster_size,
                               " bytes)"));
  }
  Reference backing{
      .kind = ReferenceKind::kBackingFile, .name = std::string(size, '\0'), .format = {}};
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, offset,
                                    std::as_writable_bytes(std::span(backing.name)),
                                    "qcow2: the backing file name"));
  header.backing = std::move(backing);
  return OkStatus();
}

// Fields whose validity shows without a look at the rest of the file.
Result<ImageHeader> FromRaw(const Header& raw) {
  ImageHeader header;
  header.version = raw.version;
  header.cluster_bits = raw.cluster_bits;
  if (header.cluster_bits < kMinClusterBits || header.cluster_bits > kMaxClusterBits) {
    return Unsupported(StrCat("qcow2: cluster_bits is ", header.cluster_bits,
                              "; clusters of 512 bytes (9) to 2 MiB (21) are supported"));
  }
  header.cluster_size = 1ull << header.cluster_bits;
  header.size = raw.size;
  header.crypt_method = raw.crypt_method;
  if (header.crypt_method > kCryptLuks) {
    return Unsupported(StrCat("qcow2: unknown encryption method ", header.crypt_method));
  }
  header.l1_size = raw.l1_size;
  header.l1_offset = raw.l1_table_offset;
  header.refcount_table_offset = raw.refcount_table_offset;
  header.refcount_table_size = raw.refcount_table_clusters * header.cluster_size;
  header.snapshot_count = raw.nb_snapshots;
  header.snapshots_offset = raw.snapshots_offset;
  header.refcount_bits = 16;
  header.header_length = kHeaderLengthV2;
  if (header.version >= 3) {
    HOTCELL_RETURN_IF_ERROR(CheckVersion3Fields(raw, header.cluster_size));
    header.header_length = raw.header_length;
    header.incompatible = raw.incompatible_features;
    header.compatible = raw.compatible_features;
    header.autoclear = raw.autoclear_features;
    header.refcount_bits = 1u << raw.refcount_order;
  }
  return header;
}

Status CheckTableOffset(const ImageHeader& header, uint64_t offset, std::string_view what) {
  if (offset != 0 && offset % header.cluster_size == 0) return OkStatus();
  return CorruptImage(StrCat("qcow2: ", what, " at ", Hex(offset),
                             " is not at a cluster boundary (clusters have ", header.cluster_size,
                             " bytes)"));
}

Status CheckFields(const ImageHeader& header) {
  if (header.extended_l2() && header.cluster_bits < kMinExtendedL2ClusterBits) {
    return CorruptImage(
        StrCat("qcow2: extended L2 entries need clusters of at least 16 KiB, the "
               "image's have ",
               header.cluster_size, " bytes"));
  }
  if (header.refcount_table_size > kMaxRefcountTableBytes) {
    return CorruptImage(StrCat("qcow2: the refcount table has ", header.refcount_table_size,
                               " bytes, more than the ", kMaxRefcountTableBytes, " allowed"));
  }
  if (header.refcount_table_size > 0) {
    HOTCELL_RETURN_IF_ERROR(
        CheckTableOffset(header, header.refcount_table_offset, "the refcount table"));
  }
  if (header.snapshot_count > 0) {
    HOTCELL_RETURN_IF_ERROR(
        CheckTableOffset(header, header.snapshots_offset, "the snapshot table"));
  }
  if (header.snapshot_count > kMaxSnapshots) {
    return CorruptImage(StrCat("qcow2: the header counts ", header.snapshot_count,
                               " snapshots, more than the ", kMaxSnapshots, " allowed"));
  }
  return CheckL1Table(header, header.l1_offset, header.l1_size, header.size, "the L1 table");
}

// Where extensions end that no marker ends: at the backing file name, or else with the cluster.
uint64_t ExtensionsLimit(const Header& raw, const ImageHeader& header, uint64_t file_size) {
  const uint64_t cluster_end = std::min(header.cluster_size, file_size);
  return raw.backing_file_offset != 0 ? std::min<uint64_t>(raw.backing_file_offset, cluster_end)
                                      : cluster_end;
}

// What of `area`, the start of the file, may hold extensions.
std::span<const std::byte> ExtensionArea(const Header& raw, const ImageHeader& header,
                                         std::span<const std::byte> area) {
  const uint64_t end = ExtensionsLimit(raw, header, area.size());
  return area.first(end).subspan(std::min<uint64_t>(header.header_length, end));
}

// Clusters have up to 2 MiB, and a reader goes through all of it where nothing stops it.
Status ReadRestOfExtensions(IoChannel& io, const FileHandle& file, const Header& raw,
                            const ImageHeader& header, std::vector<std::byte>& area) {
  const uint64_t done = area.size();
  const uint64_t end = ExtensionsLimit(raw, header, file.size);
  if (end <= done || ExtensionsEnd(ExtensionArea(raw, header, area))) return OkStatus();
  area.resize(end);
  return ReadExact(io, file, done, std::span(area).subspan(done), "qcow2: the header extensions");
}

}  // namespace

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file) {
  if (file.size < kHeaderLengthV2) {
    return CorruptImage(StrCat("qcow2: the file has ", file.size, " bytes, a header has at least ",
                               kHeaderLengthV2, "; the file is truncated or not qcow2"));
  }
  std::vector<std::byte> area(std::min<uint64_t>(file.size, kFirstRead));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, area, "qcow2: the header"));

  Header raw{};
  std::copy_n(area.begin(), std::min(area.size(), sizeof(raw)),
              std::as_writable_bytes(std::span(&raw, 1)).begin());
  if (raw.magic != kMagic) {
    return CorruptImage("qcow2: the file does not start with the magic bytes \"QFI\\xfb\"");
  }
  if (raw.version != 2 && raw.version != 3) {
    return Unsupported(StrCat("qcow2: unsupported qcow2 version ", uint32_t{raw.version}));
  }
  auto header = FromRaw(raw);
  if (!header.ok()) return header.status();
  if (header->header_length > file.size) {
    return CorruptImage(StrCat("qcow2: header_length is ", header->header_length,
                               ", past the end of the file (", file.size, " bytes)"));
  }
  HOTCELL_RETURN_IF_ERROR(ReadRestOfExtensions(io, file, raw, *header, area));
  const std::span<const std::byte> extensions = ExtensionArea(raw, *header, area);
  // Before the extensions are judged: with an unknown feature they may mean something else.
  const std::vector<FeatureName> names = FindFeatureNames(extensions);
  HOTCELL_RETURN_IF_ERROR(CheckIncompatibleFeatures(header->incompatible, names));
  header->features.push_back(StrCat("version ", header->version));
  ListFeatures("incompatible", kIncompatible, header->incompatible, names, header->features);
  ListFeatures("compatible", kCompatible, header->compatible, names, header->features);
  ListFeatures("autoclear", kAutoclear, header->autoclear, names, header->features);

  const uint8_t compression_type =
      header->header_length > kCompressionTypeOffset ? raw.compression_type : kCompressionZlib;
  auto compression = ChooseCompression(compression_type, header->incompatible);
  if (!compression.ok()) return compression.status();
  header->compression = *compression;

  HOTCELL_RETURN_IF_ERROR(CheckFields(*header));
  HOTCELL_RETURN_IF_ERROR(ReadBackingName(io, file, raw, *header));
  HOTCELL_RETURN_IF_ERROR(ParseExtensions(extensions, header->header_length, *header));
  return header;
}

Status CheckL1Table(const ImageHeader& header, uint64_t offset, uint64_t entries,
                    uint64_t virtual_size, std::string_view what) {
  if (entries > kMaxL1Bytes / 8) {
    return CorruptImage(StrCat("qcow2: ", what, " has ", entries, " entries, more than the ",
                               kMaxL1Bytes / 8, " allowed"));
  }
  const uint64_t needed = header.L1EntriesFor(virtual_size);
  if (entries < needed) {
    return CorruptImage(StrCat("qcow2: ", what, " has ", entries, " entries, but a disk of ",
                               virtual_size, " bytes needs ", needed));
  }
  return entries > 0 ? CheckTableOffset(header, offset, what) : OkStatus();
}

std::vector<Region> MetadataRegions(const ImageHeader& header) {
  std::vector<Region> regions = {
      {.offset = 0, .size = header.cluster_size, .what = "the header"},
      {.offset = header.l1_offset, .size = header.l1_size * uint64_t{8}, .what = "the L1 table"},
      {.offset = header.refcount_table_offset,
       .size = header.refcount_table_size,
       .what = "the refcount table"},
  };
  if (header.encryption_header) regions.push_back(*header.encryption_header);
  if (header.bitmaps) {
    regions.push_back({.offset = header.bitmaps->offset,
                       .size = header.bitmaps->size,
                       .what = "the bitmap directory"});
  }
  std::erase_if(regions, [](const Region& region) { return region.size == 0; });
  return regions;
}

Status CheckRegions(const std::vector<Region>& regions, const FileHandle& file) {
  for (const Region& region : regions) {
    // Files smaller than a cluster end within the header's.
    if (region.offset == 0 && region.what == "the header") continue;
    if (region.offset > file.size || region.size > file.size - region.offset) {
      return CorruptImage(StrCat("qcow2: ", region.what, " at ", Hex(region.offset), " (",
                                 region.size, " bytes) reaches past the end of the file (",
                                 file.size, " bytes); the file is truncated or damaged"));
    }
  }
  for (size_t i = 0; i < regions.size(); ++i) {
    for (size_t j = i + 1; j < regions.size(); ++j) {
      if (!regions[i].Overlaps(regions[j].offset, regions[j].size)) continue;
      return CorruptImage(StrCat("qcow2: ", regions[j].what, " at ", Hex(regions[j].offset), " (",
                                 regions[j].size, " bytes) overlaps ", regions[i].what, " at ",
                                 Hex(regions[i].offset), " (", regions[i].size, " bytes)"));
    }
  }
  return OkStatus();
}

}  // namespace hotcell::guest::qcow2
