#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/raw/raw.h"
#include "guest/formats/vmdk/reader.h"
#include "guest/formats/vmdk/vmdk.h"
#include "guest/runtime/text.h"

namespace hotcell::guest {
namespace {

using vmdk::Descriptor;
using vmdk::DiskExtent;
using vmdk::ExtentLine;
using vmdk::GrainMap;
using vmdk::ImageParts;
using vmdk::InExtentFile;
using vmdk::kSectorSize;
using vmdk::SparseKind;
using vmdk::SparseLayout;

Result<std::string> ReadText(IoChannel& io, const FileHandle& file, uint64_t offset,
                             uint64_t size) {
  std::string text(size, '\0');
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, offset, std::as_writable_bytes(std::span(text)), "vmdk: the descriptor"));
  return text;
}

Status CheckDescriptor(const Descriptor& descriptor) {
  if (!descriptor.cid || !descriptor.parent_cid) {
    return CorruptImage(StrCat("vmdk: the descriptor has no ", descriptor.cid ? "parentCID" : "CID",
                               "; it is damaged"));
  }
  return OkStatus();
}

void NoteParent(ImageParts& parts) {
  if (*parts.descriptor.parent_cid == vmdk::kNoParentCid || parts.descriptor.parent_hint) return;
  parts.warnings.push_back(
      StrCat("vmdk: the image says that it stands on a parent (CID ",
             vmdk::CidText(*parts.descriptor.parent_cid),
             ") but does not name it; what only the parent has reads as zeroes"));
}

// ---- One file -----------------------------------------------------------------------------------

void NoteFeatures(const SparseLayout& layout, ImageParts& parts) {
  parts.features.push_back(StrCat("version ", layout.version));
  if (layout.compressed) parts.features.emplace_back("compressed grains");
  if (layout.markers) parts.features.emplace_back("markers");
  if (layout.zeroed_grains) parts.features.emplace_back("zeroed grains");
  if (layout.rgd_offset != 0) parts.features.emplace_back("redundant grain directory");
  if (layout.footer) parts.features.emplace_back("footer");
  if (layout.unclean) {
    parts.features.emplace_back("unclean shutdown");
    parts.warnings.emplace_back(
        "vmdk: the image was not closed cleanly; its data can be read, but what was written last "
        "may be missing");
  }
}

// Describes what else the embedded descriptor names, which nobody opens.
void NoteExtentLines(ImageParts& parts) {
  for (const ExtentLine& line : parts.descriptor.extents) {
    if (line.type == "SPARSE") continue;
    parts.warnings.push_back(StrCat("vmdk: the embedded descriptor has an extent of type ",
                                    line.type, " in '", line.name,
                                    "'; it is not used, since the image holds its own data"));
  }
}

Result<ImageParts> OpenOwnExtent(IoChannel& io, SparseLayout layout, Descriptor descriptor,
                                 const OpenOptions& options) {
  ImageParts parts;
  parts.descriptor = std::move(descriptor);
  parts.create_type = layout.compressed ? "streamOptimized" : "monolithicSparse";
  NoteFeatures(layout, parts);
  NoteExtentLines(parts);
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("vmdk", layout.capacity, options));
  DiskExtent extent = {.length = layout.capacity};
  extent.info = {.virtual_size = layout.capacity,
                 .cluster_size = layout.grain_size,
                 .compressed = layout.compressed};
  if (!options.describe_only) {
    parts.tables = std::make_unique<vmdk::Tables>();
    extent.grains =
        std::make_unique<GrainMap>(std::move(layout), parts.tables->cache, parts.tables->claims);
    HOTCELL_RETURN_IF_ERROR(extent.grains->CheckTables(io));
  }
  parts.extents.push_back(std::move(extent));
  return parts;
}

Result<ImageParts> OpenSparseFile(IoChannel& io, const FileHandle& file,
                                  const OpenOptions& options) {
  auto layout = vmdk::ReadSparseLayout(io, file);
  if (!layout.ok()) return layout.status();
  auto text = ReadText(io, file, layout->descriptor_offset, layout->descriptor_size);
  if (!text.ok()) return text.status();
  if (layout->kind != SparseKind::kHosted || text->find_first_not_of('\0') == std::string::npos) {
    return Unsupported(
        "vmdk: the file is one extent of a disk and does not describe it; open the disk's "
        "descriptor file instead");
  }
  auto descriptor = vmdk::ParseDescriptor(*text);
  if (!descriptor.ok()) return descriptor.status();
  HOTCELL_RETURN_IF_ERROR(CheckDescriptor(*descriptor));
  return OpenOwnExtent(io, std::move(*layout), std::move(*descriptor), options);
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenVmdk(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options) {
  auto parts = OpenSparseFile(io, file, options);
  if (!parts.ok()) return parts.status();
  NoteParent(*parts);
  return std::unique_ptr<ImageReader>(std::make_unique<vmdk::Reader>(std::move(*parts)));
}

}  // namespace hotcell::guest
