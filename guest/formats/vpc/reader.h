// The disk of a VHD: found in a block allocation table, or byte for byte in the file of a fixed
// one.
#ifndef HOTCELL_GUEST_FORMATS_VPC_READER_H_
#define HOTCELL_GUEST_FORMATS_VPC_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "guest/formats/common/claim_table.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/piece_cache.h"
#include "guest/formats/vpc/layout.h"

namespace hotcell::guest::vpc {

// What Describe() says of a disk of any type.
ImageDescription DescribeLayout(const Layout& layout);

// Dynamic and differencing disks. As in QEMU, all sectors of a dynamic disk's block are its data,
// whatever the block's bitmap says; in a differencing disk it says whose a sector is.
class Reader : public ImageReader {
 public:
  explicit Reader(Layout layout);

  uint64_t virtual_size() const override { return layout_.virtual_size; }
  std::optional<Reference> backing() const override { return layout_.parent; }
  std::string identity() const override { return layout_.unique_id; }
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  std::vector<FileHandle> data_files() const override { return {layout_.file}; }
  ImageDescription Describe() const override { return DescribeLayout(layout_); }

 private:
  // Entries of the block allocation table from `block` on, in host byte order.
  Status ReadTable(IoChannel& io, uint64_t block, std::span<uint32_t> out);
  Result<Extent> MapBlock(IoChannel& io, uint32_t sector, uint64_t offset, uint64_t length);
  // Bytes from `in_block` on that are all the child's, or all the parent's.
  struct BitmapRun {
    bool here = false;
    uint64_t length = 0;
  };
  Result<BitmapRun> ReadBitmap(IoChannel& io, uint64_t bitmap, uint64_t in_block, uint64_t length);

  const Layout layout_;
  PieceCache table_;
  PieceCache bitmaps_;
  ClaimTable claims_;
};

// A fixed disk: the file's bytes, whose holes are zeroes as in a raw image.
class FixedReader : public ImageReader {
 public:
  FixedReader(Layout layout, std::unique_ptr<ImageReader> raw)
      : layout_(std::move(layout)), raw_(std::move(raw)) {}

  uint64_t virtual_size() const override { return layout_.virtual_size; }
  std::string identity() const override { return layout_.unique_id; }
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    Result<Extent> extent = raw_->Map(io, offset, length);
    if (extent.ok()) extent->in_hole = extent->kind == Extent::Kind::kZero;
    return extent;
  }
  ImageDescription Describe() const override { return DescribeLayout(layout_); }

 private:
  const Layout layout_;
  const std::unique_ptr<ImageReader> raw_;
};

}  // namespace hotcell::guest::vpc

#endif  // HOTCELL_GUEST_FORMATS_VPC_READER_H_
