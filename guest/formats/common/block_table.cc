#include "guest/formats/common/block_table.h"

#include <bit>

#include "base/text.h"

namespace hotcell::guest {

static_assert(std::endian::native == std::endian::little);

Status BlockTable::CheckInFile(const Extent& extent, uint64_t disk_offset) const {
  if (extent.offset <= file_.size && extent.length <= file_.size - extent.offset) return OkStatus();
  return CorruptImage(StrCat(format_, ": the data of disk offset ", Hex(disk_offset), " lies at ",
                             Hex(extent.offset), " (", extent.length,
                             " bytes) and reaches past the end of the file (", file_.size,
                             " bytes); the file is truncated or damaged"));
}

Result<size_t> BlockTable::Read(IoChannel& io, uint64_t first, std::span<uint32_t> out) {
  out = out.first(std::min<uint64_t>(out.size(), entries_ - first));
  const Status read = cache_.Read(io, file_, offset_ + first * sizeof(uint32_t),
                                  std::as_writable_bytes(out), what_);
  if (!read.ok()) return read.WithMessage(StrCat(format_, ": ", read.message()));
  return out.size();
}

}  // namespace hotcell::guest
