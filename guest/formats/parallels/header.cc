#include "guest/formats/parallels/header.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/stream_reader.h"

namespace hotcell::guest::parallels {
namespace {

Status CheckLimits(const Header& header) {
  if (header.version != kVersion) {
    return Unsupported(StrCat("parallels: version ", uint32_t{header.version},
                              " is not supported, only ", kVersion));
  }
  if (header.tracks == 0) return CorruptImage("parallels: clusters have zero sectors");
  if (header.tracks > kMaxTracks) {
    return Unsupported(StrCat("parallels: clusters of ", uint32_t{header.tracks},
                              " sectors are bigger than the supported ", kMaxTracks));
  }
  if (header.nb_bat_entries > kMaxBatEntries) {
    return Unsupported(StrCat("parallels: a BAT of ", uint32_t{header.nb_bat_entries},
                              " entries is bigger than the supported ", kMaxBatEntries));
  }
  return OkStatus();
}

// An old image need not say where its data starts.
void PlaceData(const Header& header, const FileHandle& file, ImageHeader& image) {
  const uint64_t least =
      AlignUp(image.bat_end(), image.extended ? image.cluster_size : kSectorSize);
  const uint64_t declared = header.data_off * kSectorSize;
  const bool unsaid = declared == 0 && !image.extended;
  image.data_offset_right =
      unsaid || (declared >= least && declared <= AlignUp(file.size, kSectorSize));
  image.first_data_offset = least;
  image.data_offset = unsaid || !image.data_offset_right ? least : declared;
}

// An entry of a bitmap's L1 table: 0 and 1 stand for bits that are all the same, others for the
// sector where a cluster of them is.
void NoteExtensionCluster(uint64_t entry, ImageHeader& image) {
  if (entry <= 1 || entry > (UINT64_MAX - image.cluster_size) / kSectorSize) return;
  const uint64_t end = entry * kSectorSize + image.cluster_size;
  if (image.extension_end) image.extension_end = std::max(*image.extension_end, end);
}

Status ReadDirtyBitmap(StreamReader& stream, uint64_t data_size, ImageHeader& image) {
  if (data_size < sizeof(DirtyBitmapFeature)) {
    image.bitmap_granularities.push_back(0);
    return stream.Skip(AlignUp(data_size, 8));
  }
  const auto bitmap = stream.TakeStruct<DirtyBitmapFeature>();
  if (!bitmap.ok()) return bitmap.status();
  image.bitmap_granularities.push_back(bitmap->granularity);
  const uint64_t table = AlignUp(data_size, 8) - sizeof(DirtyBitmapFeature);
  const uint64_t entries = std::min<uint64_t>(bitmap->l1_size, table / sizeof(Le64));
  for (uint64_t i = 0; i < entries; ++i) {
    const auto entry = stream.TakeStruct<Le64>();
    if (!entry.ok()) return entry.status();
    NoteExtensionCluster(*entry, image);
  }
  return stream.Skip(table - entries * sizeof(Le64));
}

Status ReadExtension(IoChannel& io, const FileHandle& file, ImageHeader& image) {
  StreamReader stream(io, file, image.extension_offset, image.cluster_size,
                      "parallels: the format extension");
  const auto start = stream.TakeStruct<ExtensionHeader>();
  if (!start.ok()) return start.status();
  image.extension_end = image.extension_offset + image.cluster_size;
  if (start->magic != kExtensionMagic) {
    return CorruptImage(StrCat("parallels: the format extension at ", Hex(image.extension_offset),
                               " has a bad magic number"));
  }
  for (uint32_t i = 0; i < kMaxFeatures; ++i) {
    const auto feature = stream.TakeStruct<FeatureHeader>();
    if (!feature.ok()) return feature.status();
    if (feature->magic == kFeatureEnd) return OkStatus();
    if (feature->magic == kFeatureDirtyBitmap) {
      image.extension_features.emplace_back("dirty bitmap");
      HOTCELL_RETURN_IF_ERROR(ReadDirtyBitmap(stream, feature->data_size, image));
      continue;
    }
    if ((feature->flags & kFeatureNecessary) != 0) {
      return Unsupported(
          StrCat("parallels: the image needs the unknown format extension ", Hex(feature->magic)));
    }
    image.extension_features.push_back(StrCat("unknown extension ", Hex(feature->magic)));
    image.extension_end.reset();
    HOTCELL_RETURN_IF_ERROR(stream.Skip(AlignUp(feature->data_size, 8)));
  }
  return LimitExceeded(
      StrCat("parallels: the format extension has more than ", kMaxFeatures, " features"));
}

}  // namespace

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file) {
  Header header;
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, std::as_writable_bytes(std::span(&header, 1)),
                                    "parallels: the header"));
  const std::string_view magic(header.magic, sizeof(header.magic));
  if (magic != kMagic && magic != kMagicExtended) {
    return CorruptImage("parallels: this is no Parallels image: bad magic");
  }
  HOTCELL_RETURN_IF_ERROR(CheckLimits(header));

  ImageHeader image;
  image.extended = magic == kMagicExtended;
  image.in_use = header.in_use == kInUse;
  image.empty = (header.flags & kFlagEmpty) != 0;
  image.cluster_size = header.tracks * kSectorSize;
  image.entry_unit = image.extended ? image.cluster_size : kSectorSize;
  image.bat_entries = header.nb_bat_entries;
  const uint64_t sectors = header.nb_sectors & (image.extended ? UINT64_MAX : UINT32_MAX);
  if (sectors > uint64_t{header.nb_bat_entries} * header.tracks) {
    return CorruptImage(StrCat("parallels: the disk has ", sectors, " sectors, but the BAT only ",
                               image.bat_entries, " entries for clusters of ",
                               uint32_t{header.tracks}, " sectors"));
  }
  image.virtual_size = sectors * kSectorSize;
  if (image.bat_end() > file.size) {
    return CorruptImage(StrCat("parallels: the BAT (", image.bat_end() - sizeof(Header),
                               " bytes) reaches past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  PlaceData(header, file, image);
  if (header.ext_off > UINT64_MAX / kSectorSize) {
    return CorruptImage(StrCat("parallels: the format extension at sector ",
                               uint64_t{header.ext_off}, " is past the end of the file"));
  }
  image.extension_offset = header.ext_off * kSectorSize;
  if (image.extension_offset != 0) HOTCELL_RETURN_IF_ERROR(ReadExtension(io, file, image));
  return image;
}

}  // namespace hotcell::guest::parallels
