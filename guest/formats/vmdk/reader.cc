#include "guest/formats/vmdk/reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace hotcell::guest::vmdk {
namespace {

uint64_t VirtualSize(const ImageParts& parts) {
  if (parts.extents.empty()) return 0;
  return parts.extents.back().begin + parts.extents.back().length;
}

// The disk's cluster size, which as in QEMU only extents have that are all alike; 0: it has none.
uint64_t ClusterSize(const ImageParts& parts) {
  if (parts.extents.empty()) return 0;
  const ExtentInfo& first = parts.extents.front().info;
  const bool alike =
      std::all_of(parts.extents.begin(), parts.extents.end(), [&](const DiskExtent& extent) {
        return extent.info.cluster_size == first.cluster_size &&
               extent.info.compressed == first.compressed;
      });
  return alike ? first.cluster_size : 0;
}

void AddExtent(const ExtentInfo& extent, DetailList& details) {
  if (extent.compressed) details.Bool("compressed", true);
  details.Number("virtual-size", extent.virtual_size);
  if (extent.format.empty()) {
    details.OwnFile("filename");
  } else {
    details.File("filename", extent.filename);
  }
  if (extent.cluster_size != 0) details.Number("cluster-size", extent.cluster_size);
  details.Text("format", extent.format);
}

// In QEMU's order.
DetailList Details(const ImageParts& parts) {
  DetailList details;
  details.Number("cid", parts.descriptor.cid.value_or(0));
  details.Number("parent-cid", parts.descriptor.parent_cid.value_or(kNoParentCid));
  details.Text("create-type", parts.create_type);
  details.List("extents", [&] {
    for (const DiskExtent& extent : parts.extents) {
      details.Item([&] { AddExtent(extent.info, details); });
    }
  });
  return details;
}

}  // namespace

Status InExtent(const ExtentInfo& extent, const Status& status) {
  if (extent.format.empty()) return status;
  constexpr std::string_view kPrefix = "vmdk: ";
  std::string_view message = status.message();
  if (message.starts_with(kPrefix)) message.remove_prefix(kPrefix.size());
  return status.WithMessage(StrCat(kPrefix, "extent file '", extent.filename, "': ", message));
}

Reader::Reader(ImageParts parts) : parts_(std::move(parts)), virtual_size_(VirtualSize(parts_)) {}

std::optional<Reference> Reader::backing() const {
  const Descriptor& descriptor = parts_.descriptor;
  if (!descriptor.parent_hint) return std::nullopt;
  return Reference{.kind = ReferenceKind::kParent,
                   .name = *descriptor.parent_hint,
                   .format = "vmdk",
                   .identity = CidText(descriptor.parent_cid.value_or(kNoParentCid))};
}

std::string Reader::identity() const { return CidText(parts_.descriptor.cid.value_or(0)); }

Result<Extent> Reader::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  const auto after = std::upper_bound(
      parts_.extents.begin(), parts_.extents.end(), offset,
      [](uint64_t value, const DiskExtent& extent) { return value < extent.begin; });
  const DiskExtent& extent = *std::prev(after);
  const uint64_t in_extent = offset - extent.begin;
  length = std::min(length, extent.length - in_extent);
  if (extent.flat != nullptr) {
    auto mapped = extent.flat->Map(io, extent.flat_offset + in_extent, length);
    if (mapped.ok()) mapped->in_hole = mapped->kind == Extent::Kind::kZero;
    return mapped;
  }
  if (extent.grains == nullptr) return Extent{.kind = Extent::Kind::kZero, .length = length};
  auto mapped = extent.grains->Map(io, in_extent, length, extent.begin);
  return mapped.ok() ? mapped : InExtent(extent.info, mapped.status());
}

std::vector<FileHandle> Reader::data_files() const {
  std::vector<FileHandle> files;
  for (const DiskExtent& extent : parts_.extents) {
    if (extent.grains != nullptr) files.push_back(extent.grains->layout().file);
  }
  return files;
}

ImageDescription Reader::Describe() const {
  ImageDescription description;
  description.format = "vmdk";
  description.virtual_size = virtual_size_;
  description.cluster_size = ClusterSize(parts_);
  description.backing = backing();
  if (description.backing) description.references.push_back(*description.backing);
  description.references.insert(description.references.end(), parts_.references.begin(),
                                parts_.references.end());
  description.details = Details(parts_);
  description.variant = parts_.create_type;
  description.features = parts_.features;
  description.warnings = parts_.warnings;
  return description;
}

}  // namespace hotcell::guest::vmdk
