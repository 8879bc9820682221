#include "guest/formats/common/resize.h"

#include <algorithm>
#include <span>

#include "base/text.h"

namespace hotcell::guest {

std::string_view PreallocationName(Preallocation preallocation) {
  switch (preallocation) {
    case Preallocation::kOff:
      return "off";
    case Preallocation::kMetadata:
      return "metadata";
    case Preallocation::kFalloc:
      return "falloc";
    case Preallocation::kFull:
      return "full";
  }
  return "";
}

Status WriteZeroData(IoChannel& io, uint32_t slot, uint64_t offset, uint64_t length,
                     std::string_view what) {
  const ScopedBuffer buffer(io);
  const std::span<std::byte> zeroes =
      buffer.span().first(std::min<uint64_t>(length, io.buffer_size()));
  std::fill(zeroes.begin(), zeroes.end(), std::byte{0});
  while (length > 0) {
    const uint64_t piece = std::min<uint64_t>(length, zeroes.size());
    const IoResult written = io.Wait(io.SubmitWrite(slot, offset, zeroes.first(piece)));
    if (!written.ok()) return IoError(written, StrCat("write ", what));
    offset += piece;
    length -= piece;
  }
  return OkStatus();
}

}  // namespace hotcell::guest
