#include <memory>

#include "base/text.h"
#include "guest/formats/common/block_table.h"
#include "guest/formats/common/claim_table.h"
#include "guest/formats/vdi/header.h"
#include "guest/formats/vdi/on_disk.h"
#include "guest/formats/vdi/vdi.h"

namespace hotcell::guest {
namespace vdi {
namespace {

class Reader : public ImageReader {
 public:
  Reader(const FileHandle& file, const ImageHeader& header)
      : header_(header), map_(file, header.map_offset, header.blocks, "vdi", "the block map") {}

  uint64_t virtual_size() const override { return header_.virtual_size; }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    const auto locate = [this](uint64_t block, uint32_t entry) { return Locate(block, entry); };
    const auto is_hole = [](uint32_t entry) { return !IsAllocated(entry); };
    return map_.Map(io, kBlockSize, offset, length, is_hole, locate);
  }

  std::vector<FileHandle> data_files() const override { return {map_.file()}; }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "vdi";
    description.virtual_size = header_.virtual_size;
    description.cluster_size = kBlockSize;
    description.variant = header_.is_static ? "static" : "dynamic";
    description.features = {"version 1.1"};
    return description;
  }

 private:
  Result<uint64_t> Locate(uint64_t block, uint32_t entry) {
    if (const auto other = claims_.Claim(entry, block)) {
      return CorruptImage(StrCat("vdi: the blocks ", *other, " and ", block,
                                 " of the disk claim the same block ", entry, " of the file"));
    }
    return header_.data_offset + entry * kBlockSize;
  }

  const ImageHeader header_;
  BlockTable map_;
  ClaimTable claims_;
};

}  // namespace
}  // namespace vdi

Result<std::unique_ptr<ImageReader>> OpenVdi(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  const auto header = vdi::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("vdi", header->virtual_size, options));
  return std::unique_ptr<ImageReader>(std::make_unique<vdi::Reader>(file, *header));
}

}  // namespace hotcell::guest
