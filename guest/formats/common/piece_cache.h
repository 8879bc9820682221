// A bounded cache of pieces of files, for tables that are looked up entry by entry.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_PIECE_CACHE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_PIECE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/spinlock.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Pieces are kPieceSize bytes at multiples of kPieceSize, so tables that lie side by side come with
// one request. Thread-safe. The lock is held only to look up and to copy: two lanes that miss the
// same piece both read it, which costs less than one waiting for the other.
class PieceCache {
 public:
  static constexpr size_t kPieceSize = 64 << 10;

  // Memory: at most max_pieces * kPieceSize bytes, taken as it is needed.
  explicit PieceCache(size_t max_pieces) : slots_(max_pieces) {}

  // Fills `out` from the file. Reading past the end is a kCorruptImage error that names `what`, as
  // in "vmdk: the grain directory". Takes one buffer of the channel on a miss.
  Status Read(IoChannel& io, const FileHandle& file, uint64_t offset, std::span<std::byte> out,
              std::string_view what);

 private:
  struct Slot {
    uint32_t file = 0;             // its slot number
    uint64_t offset = UINT64_MAX;  // all ones: empty
    size_t size = 0;               // bytes that the file has there
    uint64_t last_use = 0;
    std::unique_ptr<std::byte[]> data;
  };

  Slot* Find(uint32_t file, uint64_t offset);
  bool TryRead(uint32_t file, uint64_t offset, std::span<std::byte> out);
  void Install(uint32_t file, uint64_t offset, std::span<const std::byte> data);
  Status ReadFromPiece(IoChannel& io, const FileHandle& file, uint64_t offset,
                       std::span<std::byte> out, std::string_view what);

  Spinlock lock_;
  std::vector<Slot> slots_;
  uint64_t clock_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_PIECE_CACHE_H_
