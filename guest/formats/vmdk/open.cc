#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/raw/raw.h"
#include "guest/formats/vmdk/reader.h"
#include "guest/formats/vmdk/vmdk.h"

namespace hotcell::guest {
namespace {

using vmdk::Descriptor;
using vmdk::DiskExtent;
using vmdk::ExtentLine;
using vmdk::GrainMap;
using vmdk::ImageParts;
using vmdk::InExtent;
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

// A VirtualBox differencing image calls itself one without a parent to all other programs.
Status CheckParentUuid(const OpenOptions& options, ImageParts& parts) {
  const Descriptor& descriptor = parts.descriptor;
  if (descriptor.parent_uuid.empty() || descriptor.parent_hint) return OkStatus();
  const std::string what =
      StrCat("vmdk: the image is a differencing one of VirtualBox's (ddb.uuid.parent is ",
             descriptor.parent_uuid, ") and does not name the file of its parent");
  if (!options.describe_only) {
    return Unsupported(StrCat(what, "; merge the two with VBoxManage clonemedium first"));
  }
  parts.warnings.push_back(StrCat(what, "; it cannot be read without"));
  return OkStatus();
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

Result<ImageParts> OpenOwnExtent(SparseLayout layout, Descriptor descriptor,
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
  }
  parts.extents.push_back(std::move(extent));
  return parts;
}

// A header without sectors is that of an empty disk only if nothing else says that there is more.
Status CheckEmpty(IoChannel& io, const SparseLayout& layout, const Descriptor& descriptor) {
  if (!descriptor.extents.empty()) {
    return CorruptImage(
        StrCat("vmdk: the header says that the disk has no sectors, the descriptor "
               "that it has an extent of ",
               descriptor.extents[0].sectors, "; the header is damaged"));
  }
  return layout.footer ? vmdk::CheckFooter(io, layout.file) : OkStatus();
}

// ---- Several files ------------------------------------------------------------------------------

// createType says what program made the disk for what purpose; its extents say how it is read.
Status CheckCreateType(std::string_view type) {
  constexpr std::string_view kFiles[] = {"monolithicFlat",
                                         "monolithicSparse",
                                         "twoGbMaxExtentFlat",
                                         "twoGbMaxExtentSparse",
                                         "vmfs",
                                         "vmfsSparse",
                                         "vmfsThin",
                                         "vmfsPreallocated",
                                         "seSparse",
                                         "streamOptimized",
                                         "vmfsEagerZeroedThick",
                                         "custom"};
  constexpr std::string_view kDevices[] = {
      "fullDevice",       "partitionedDevice",          "vmfsRaw", "vmfsRDM", "vmfsRDMP",
      "vmfsRawDeviceMap", "vmfsPassthroughRawDeviceMap"};
  if (type.empty()) {
    return CorruptImage("vmdk: the descriptor has no createType; it is damaged");
  }
  if (std::find(std::begin(kDevices), std::end(kDevices), type) != std::end(kDevices)) {
    return Unsupported(StrCat("vmdk: the image (createType '", type,
                              "') maps a device; devices are not read through images"));
  }
  if (std::find(std::begin(kFiles), std::end(kFiles), type) == std::end(kFiles)) {
    return Unsupported(StrCat("vmdk: images of createType '", type, "' are not supported"));
  }
  return OkStatus();
}

enum class Storage : uint8_t { kZero, kFlat, kSparse, kSeSparse };

Result<Storage> StorageOf(const ExtentLine& line) {
  if (line.access == "NOACCESS") {
    return Unsupported(StrCat("vmdk: the extent '", line.name,
                              "' is marked NOACCESS; disks with such extents are not supported"));
  }
  if (line.type == "ZERO") return Storage::kZero;
  if (line.type == "FLAT" || line.type == "VMFS") return Storage::kFlat;
  if (line.type == "SPARSE" || line.type == "VMFSSPARSE") return Storage::kSparse;
  if (line.type == "SESPARSE") return Storage::kSeSparse;
  return Unsupported(
      StrCat("vmdk: extents of type '", line.type, "' are not supported ('", line.name, "')"));
}

Status OpenFlat(IoChannel& io, const FileHandle& file, const ExtentLine& line, DiskExtent& extent) {
  auto raw = OpenRaw(io, file, {});
  if (!raw.ok()) return raw.status();
  extent.flat_offset = line.offset * kSectorSize;
  const uint64_t size = (*raw)->virtual_size();
  if (extent.flat_offset > size || extent.length > size - extent.flat_offset) {
    return CorruptImage(StrCat("vmdk: the descriptor says that it has ", extent.length,
                               " bytes at offset ", extent.flat_offset, ", but it has ", file.size,
                               " bytes; it is truncated"));
  }
  extent.flat = std::move(*raw);
  return OkStatus();
}

Status OpenSparse(IoChannel& io, const FileHandle& file, Storage storage, ImageParts& parts,
                  DiskExtent& extent) {
  auto layout = storage == Storage::kSeSparse ? vmdk::ReadSeSparseLayout(io, file)
                                              : vmdk::ReadSparseLayout(io, file);
  if (!layout.ok()) return layout.status();
  // The header's capacity may be rounded up to whole grains.
  if (layout->capacity < extent.length || layout->capacity - extent.length >= layout->grain_size) {
    return CorruptImage(StrCat("vmdk: the descriptor says that it has ", extent.length,
                               " bytes of the disk, its header ", layout->capacity));
  }
  if (layout->unclean) {
    parts.warnings.push_back(StrCat("vmdk: extent file '", extent.info.filename,
                                    "' was not closed cleanly; what was written last may be "
                                    "missing"));
  }
  extent.info.cluster_size = layout->grain_size;
  extent.info.compressed = layout->compressed;
  extent.grains =
      std::make_unique<GrainMap>(std::move(*layout), parts.tables->cache, parts.tables->claims);
  return OkStatus();
}

// Files that are already open, for extents that share one.
using OpenFiles = std::map<std::string, FileHandle, std::less<>>;

Result<FileHandle> OpenFile(IoChannel& io, uint32_t from_slot, const std::string& name,
                            OpenFiles& files) {
  if (const auto found = files.find(name); found != files.end()) return found->second;
  const IoResult opened = io.OpenReference(from_slot, ReferenceKind::kExtentFile, name);
  if (!opened.ok()) return IoError(opened, StrCat("open the extent '", name, "'"));
  const FileHandle file = {.slot = static_cast<uint32_t>(opened.value), .size = opened.value2};
  files.emplace(name, file);
  return file;
}

Status OpenExtent(IoChannel& io, uint32_t from_slot, const ExtentLine& line, OpenFiles& files,
                  ImageParts& parts, DiskExtent& extent) {
  auto storage = StorageOf(line);
  if (!storage.ok()) return storage.status();
  if (*storage == Storage::kZero) return OkStatus();
  auto file = OpenFile(io, from_slot, line.name, files);
  if (!file.ok()) return file.status();
  const Status status = *storage == Storage::kFlat ? OpenFlat(io, *file, line, extent)
                                                   : OpenSparse(io, *file, *storage, parts, extent);
  return status.ok() ? status : InExtent(extent.info, status);
}

// A name of the descriptor's extents, once.
void AddReference(const std::string& name, std::vector<Reference>& references) {
  const bool known =
      std::any_of(references.begin(), references.end(),
                  [&](const Reference& reference) { return reference.name == name; });
  if (name.empty() || known) return;
  references.push_back({.kind = ReferenceKind::kExtentFile, .name = name});
}

Result<ImageParts> OpenExtents(IoChannel& io, const FileHandle& file, Descriptor descriptor,
                               const OpenOptions& options) {
  HOTCELL_RETURN_IF_ERROR(CheckDescriptor(descriptor));
  HOTCELL_RETURN_IF_ERROR(CheckCreateType(descriptor.create_type));
  if (descriptor.extents.empty()) {
    return CorruptImage("vmdk: the descriptor names no extents; it is damaged");
  }
  ImageParts parts;
  parts.create_type = descriptor.create_type;
  uint64_t size = 0;
  for (const ExtentLine& line : descriptor.extents) {
    const uint64_t length = line.sectors * kSectorSize;
    DiskExtent extent = {.begin = size, .length = length};
    extent.info = {.filename = line.name, .format = line.type, .virtual_size = length};
    parts.extents.push_back(std::move(extent));
    AddReference(line.name, parts.references);
    size += length;
  }
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("vmdk", size, options));
  if (!options.describe_only) {
    parts.tables = std::make_unique<vmdk::Tables>();
    OpenFiles files;
    for (size_t i = 0; i < parts.extents.size(); ++i) {
      HOTCELL_RETURN_IF_ERROR(
          OpenExtent(io, file.slot, descriptor.extents[i], files, parts, parts.extents[i]));
    }
  }
  parts.descriptor = std::move(descriptor);
  return parts;
}

// ---- The file ---------------------------------------------------------------------------------

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
  const bool hidden = vmdk::FindHiddenText(*text) != std::string::npos;
  const std::string& type = descriptor->create_type;
  if (layout->capacity == 0 && type != "monolithicSparse" && type != "streamOptimized") {
    return OpenExtents(io, file, std::move(*descriptor), options);
  }
  HOTCELL_RETURN_IF_ERROR(CheckDescriptor(*descriptor));
  if (layout->capacity == 0) HOTCELL_RETURN_IF_ERROR(CheckEmpty(io, *layout, *descriptor));
  auto parts = OpenOwnExtent(std::move(*layout), std::move(*descriptor), options);
  if (parts.ok() && hidden) {
    parts->warnings.emplace_back("vmdk: the descriptor goes on behind a NUL byte that ends it");
  }
  return parts;
}

Result<ImageParts> OpenDescriptorFile(IoChannel& io, const FileHandle& file,
                                      const OpenOptions& options) {
  if (file.size > vmdk::kMaxDescriptorBytes) {
    return LimitExceeded(
        StrCat("vmdk: the file is neither a sparse extent nor a descriptor, of "
               "which at most ",
               vmdk::kMaxDescriptorBytes, " bytes are read (it has ", file.size, ")"));
  }
  auto text = ReadText(io, file, 0, file.size);
  if (!text.ok()) return text.status();
  if (const size_t nul = vmdk::FindHiddenText(*text); nul != std::string::npos) {
    return CorruptImage(StrCat("vmdk: the file is no descriptor: it has a NUL byte at ", nul,
                               " and goes on behind it"));
  }
  auto descriptor = vmdk::ParseDescriptor(*text);
  if (!descriptor.ok()) return descriptor.status();
  return OpenExtents(io, file, std::move(*descriptor), options);
}

Result<ImageParts> OpenFileOfEitherKind(IoChannel& io, const FileHandle& file,
                                        const OpenOptions& options) {
  std::array<std::byte, sizeof(Le32)> magic;
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, magic, "vmdk: the file's start"));
  const auto found = LoadStruct<Le32>(magic);
  const bool sparse = found == vmdk::kSparseMagic || found == vmdk::kCowdMagic;
  return sparse ? OpenSparseFile(io, file, options) : OpenDescriptorFile(io, file, options);
}

}  // namespace

Result<ImageParts> vmdk::OpenParts(IoChannel& io, const FileHandle& file,
                                   const OpenOptions& options) {
  auto parts = OpenFileOfEitherKind(io, file, options);
  if (parts.ok()) NoteParent(*parts);
  return parts;
}

Result<std::unique_ptr<ImageReader>> OpenVmdk(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options) {
  auto parts = vmdk::OpenParts(io, file, options);
  if (!parts.ok()) return parts.status();
  HOTCELL_RETURN_IF_ERROR(CheckParentUuid(options, *parts));
  for (const DiskExtent& extent : parts->extents) {
    if (extent.grains == nullptr) continue;
    const Status status = extent.grains->CheckTables(io);
    if (!status.ok()) return InExtent(extent.info, status);
  }
  return std::unique_ptr<ImageReader>(std::make_unique<vmdk::Reader>(std::move(*parts)));
}

}  // namespace hotcell::guest
