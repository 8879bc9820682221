// The disk of a macOS disk image, found in the table of its chunks.
#ifndef HOTCELL_GUEST_FORMATS_DMG_READER_H_
#define HOTCELL_GUEST_FORMATS_DMG_READER_H_

#include <cstdint>
#include <utility>

#include "guest/formats/common/format.h"
#include "guest/formats/dmg/chunk_table.h"

namespace hotcell::guest::dmg {

class Reader : public ImageReader {
 public:
  // `table` is finished.
  Reader(const FileHandle& file, uint64_t sectors, ChunkTable table)
      : file_(file), sectors_(sectors), table_(std::move(table)) {}

  uint64_t virtual_size() const override { return sectors_ * kSectorSize; }
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  ImageDescription Describe() const override;

 private:
  // The rest of the chunk, from its byte `in_chunk` on.
  Result<Extent> MakeExtent(const Chunk& chunk, uint64_t in_chunk) const;

  const FileHandle file_;
  const uint64_t sectors_;
  const ChunkTable table_;
};

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_READER_H_
