#include <memory>

#include "base/text.h"
#include "guest/formats/common/block_table.h"
#include "guest/formats/common/claim_table.h"
#include "guest/formats/parallels/header.h"
#include "guest/formats/parallels/parallels.h"

namespace hotcell::guest {
namespace parallels {
namespace {

class Reader : public ImageReader {
 public:
  Reader(const FileHandle& file, ImageHeader header)
      : header_(std::move(header)),
        bat_(file, sizeof(Header), header_.bat_entries, "parallels", "the BAT") {}

  uint64_t virtual_size() const override { return header_.virtual_size; }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    const auto locate = [this](uint64_t cluster, uint32_t entry) { return Locate(cluster, entry); };
    const auto is_hole = [](uint32_t entry) { return entry == 0; };
    return bat_.Map(io, header_.cluster_size, offset, length, is_hole, locate);
  }

  std::vector<FileHandle> data_files() const override { return {bat_.file()}; }

  ImageDescription Describe() const override;

 private:
  Result<uint64_t> Locate(uint64_t cluster, uint32_t entry);

  const ImageHeader header_;
  BlockTable bat_;
  ClaimTable claims_;
};

Result<uint64_t> Reader::Locate(uint64_t cluster, uint32_t entry) {
  const uint64_t offset = entry * header_.entry_unit;
  if (offset < header_.bat_end()) {
    return CorruptImage(StrCat("parallels: BAT entry ", cluster, " places the cluster at ",
                               Hex(offset), ", on the header or the BAT, which end at ",
                               Hex(header_.bat_end())));
  }
  // Clusters whose offsets are less than a cluster apart overlap; most such pairs have the same
  // quotient, and clusters that do not overlap never have.
  if (const auto other = claims_.Claim(offset / header_.cluster_size, cluster)) {
    return CorruptImage(StrCat("parallels: the BAT entries ", *other, " and ", cluster,
                               " claim the same data at ", Hex(offset)));
  }
  return offset;
}

ImageDescription Reader::Describe() const {
  ImageDescription description;
  description.format = "parallels";
  description.virtual_size = header_.virtual_size;
  // The size of clusters is a feature here, because qemu-img does not tell it.
  description.features = {StrCat("clusters of ", header_.cluster_size, " bytes")};
  if (header_.empty) description.features.emplace_back("flag: empty image");
  for (const std::string& feature : header_.extension_features) {
    description.features.push_back(feature);
  }
  description.variant = header_.extended ? "WithouFreSpacExt" : "WithoutFreeSpace";
  description.dirty = header_.in_use;
  if (header_.in_use) {
    description.warnings.emplace_back(
        "parallels: the image is marked as in use: it was not closed cleanly; its data can be "
        "read");
  }
  if (!header_.data_offset_right) {
    description.warnings.emplace_back(
        "parallels: the header has a wrong offset of the data area; the data can be read");
  }
  return description;
}

}  // namespace
}  // namespace parallels

Result<std::unique_ptr<ImageReader>> OpenParallels(IoChannel& io, const FileHandle& file,
                                                   const OpenOptions& options) {
  auto header = parallels::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("parallels", header->virtual_size, options));
  return std::unique_ptr<ImageReader>(
      std::make_unique<parallels::Reader>(file, std::move(*header)));
}

}  // namespace hotcell::guest
