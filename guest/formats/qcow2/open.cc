#include <memory>
#include <utility>

#include "base/text.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/formats/qcow2/reader.h"

namespace hotcell::guest {
namespace {

using qcow2::ImageParts;

// What the header shows that a sound image's does not.
void WarnOfHeader(ImageParts& parts) {
  if (parts.header.corrupt()) {
    parts.warnings.emplace_back(
        "qcow2: the image is marked as corrupt; what is read from it may be damaged");
  }
  if (parts.header.dirty()) {
    parts.warnings.emplace_back(
        "qcow2: the image is marked as dirty: it was not closed cleanly; its data can be read");
  }
  if (parts.header.data_file && !parts.header.has_data_file()) {
    parts.warnings.push_back(StrCat("qcow2: the image names the data file '",
                                    *parts.header.data_file, "' but does not use it"));
  }
  if (parts.header.refcount_table_size == 0) {
    parts.warnings.emplace_back("qcow2: the image has no refcount table");
  }
}

Status LoadSnapshots(IoChannel& io, ImageParts& parts) {
  auto table = qcow2::ReadSnapshotTable(io, parts.file, parts.header);
  if (!table.ok()) return table.status();
  parts.snapshots = std::move(*table);
  if (!parts.snapshots.snapshots.empty() && parts.header.has_data_file()) {
    parts.warnings.emplace_back(
        "qcow2: the image has snapshots, which images with an external data file cannot have");
  }
  if (parts.snapshots.size > 0) {
    parts.regions.push_back({.offset = parts.header.snapshots_offset,
                             .size = parts.snapshots.size,
                             .what = "the snapshot table"});
  }
  return OkStatus();
}

// What Describe() shows beyond the header. Damage that does not keep the description from being
// true becomes a warning.
Status LoadForDescription(IoChannel& io, ImageParts& parts) {
  HOTCELL_RETURN_IF_ERROR(LoadSnapshots(io, parts));
  const Status regions = CheckRegions(parts.regions, parts.file);
  if (!regions.ok()) parts.warnings.push_back(regions.message());
  if (!parts.header.bitmaps) return OkStatus();
  auto bitmaps = qcow2::ReadBitmapDirectory(io, parts.file, parts.header);
  if (bitmaps.ok()) {
    for (qcow2::Bitmap& bitmap : *bitmaps) parts.bitmaps.push_back(std::move(bitmap.info));
  } else {
    parts.warnings.push_back(bitmaps.status().message());
  }
  return OkStatus();
}

Status OpenDataFile(IoChannel& io, ImageParts& parts) {
  if (!parts.header.has_data_file()) return OkStatus();
  if (!parts.header.data_file) {
    return CorruptImage("qcow2: the image keeps its data in another file but does not name it");
  }
  const std::string& name = *parts.header.data_file;
  const IoResult opened = io.OpenReference(parts.file.slot, ReferenceKind::kDataFile, name);
  if (!opened.ok()) return IoError(opened, StrCat("open the data file '", name, "'"));
  parts.data_file = {.slot = static_cast<uint32_t>(opened.value), .size = opened.value2};
  return OkStatus();
}

Status LoadForReading(IoChannel& io, const OpenOptions& options, ImageParts& parts) {
  if (parts.header.crypt_method != qcow2::kCryptNone) {
    return Unsupported(StrCat("qcow2: the image is encrypted (",
                              parts.header.crypt_method == qcow2::kCryptAes ? "aes" : "luks",
                              "); encrypted images can be inspected but not read"));
  }
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("qcow2", parts.header.size, options));
  HOTCELL_RETURN_IF_ERROR(CheckRegions(parts.regions, parts.file));
  HOTCELL_RETURN_IF_ERROR(LoadSnapshots(io, parts));
  HOTCELL_RETURN_IF_ERROR(CheckRegions(parts.regions, parts.file));
  return OpenDataFile(io, parts);
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenQcow2(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options) {
  auto header = qcow2::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  ImageParts parts;
  parts.file = file;
  parts.data_file = file;
  parts.header = std::move(*header);
  parts.regions = MetadataRegions(parts.header);
  WarnOfHeader(parts);
  HOTCELL_RETURN_IF_ERROR(options.describe_only ? LoadForDescription(io, parts)
                                                : LoadForReading(io, options, parts));
  auto reader = std::make_unique<qcow2::Reader>(std::move(parts));
  if (!options.describe_only) HOTCELL_RETURN_IF_ERROR(reader->CheckL2Tables(io));
  return std::unique_ptr<ImageReader>(std::move(reader));
}

}  // namespace hotcell::guest
