// The disk of a VHDX, found in its block allocation table and, in a differencing image, in the
// bitmaps of its sectors.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_READER_H_
#define HOTCELL_GUEST_FORMATS_VHDX_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "guest/formats/common/claim_table.h"
#include "guest/formats/common/format.h"
#include "guest/formats/vhdx/layout.h"

namespace hotcell::guest::vhdx {

class Reader : public ImageReader {
 public:
  explicit Reader(Layout layout) : layout_(std::move(layout)) {}

  uint64_t virtual_size() const override { return layout_.metadata.virtual_size; }
  std::optional<Reference> backing() const override { return layout_.metadata.parent; }
  std::string identity() const override { return layout_.data_write_guid; }
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  std::vector<FileHandle> data_files() const override { return {layout_.file->file()}; }
  ImageDescription Describe() const override;

 private:
  // Bytes of the disk within one block.
  struct Piece {
    uint64_t block = 0;
    uint64_t in_block = 0;
    uint64_t length = 0;
  };
  Result<Extent> MapPiece(IoChannel& io, const Piece& piece, uint64_t entry);
  Result<Extent> MapData(const Piece& piece, uint64_t entry);
  Result<Extent> MapPartial(IoChannel& io, const Piece& piece, uint64_t entry);

  const Layout layout_;
  ClaimTable claims_;
};

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_READER_H_
