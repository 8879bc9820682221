// Reading of whole tables of 8-byte words for the checker.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_TABLE_SCAN_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_TABLE_SCAN_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/alignment.h"
#include "guest/formats/common/endian.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// ReadExact(), but what lies past the end of the file reads as zeroes: a checker says so and goes
// on.
inline Status ReadPadded(IoChannel& io, const FileHandle& file, uint64_t offset,
                         std::span<std::byte> out, std::string_view what) {
  const uint64_t there = std::min<uint64_t>(out.size(), file.size - std::min(offset, file.size));
  std::fill(out.begin() + static_cast<ptrdiff_t>(there), out.end(), std::byte{0});
  return there == 0 ? OkStatus() : ReadExact(io, file, offset, out.first(there), what);
}

// Calls visit(index, word), in host byte order, for the `count` words at `offset`, or as many as
// the file has. Holds a buffer of the channel meanwhile.
template <typename Visit>
Status ForEachWord(IoChannel& io, const FileHandle& file, uint64_t offset, uint64_t count,
                   std::string_view what, Visit visit) {
  if (offset >= file.size) return OkStatus();
  // An even number of words, so that entries of two come whole.
  count = std::min(count, DivideUp(file.size - offset, 16) * 2);
  const ScopedBuffer buffer(io);
  const uint64_t at_once = io.buffer_size() / sizeof(uint64_t);
  for (uint64_t first = 0; first < count; first += at_once) {
    const uint64_t piece = std::min(at_once, count - first);
    const uint64_t at = offset + first * sizeof(uint64_t);
    const std::span<std::byte> bytes = buffer.span().first(piece * sizeof(uint64_t));
    const uint64_t there = std::min<uint64_t>(bytes.size(), file.size - at);
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(there), bytes.end(), std::byte{0});
    const IoResult read = io.Wait(io.SubmitRead(file.slot, at, bytes.first(there)));
    if (!read.ok()) return IoError(read, what);
    for (uint64_t i = 0; i < piece; ++i) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + i * sizeof(word), sizeof(word));
      visit(first + i, SwapBytes(word));
    }
  }
  return OkStatus();
}

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_TABLE_SCAN_H_
