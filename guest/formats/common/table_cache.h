// A bounded cache of slices of tables of 8-byte entries, shared by all lanes.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_TABLE_CACHE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_TABLE_CACHE_H_

#include <bit>
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

// Where a slice lies. Slices do not overlap.
struct Slice {
  uint64_t offset = 0;  // in the file, bytes
  uint32_t size = 0;    // bytes, at most the cache's slice_size
};

// Thread-safe. The lock is held only to look up and to copy: two lanes that miss the same slice
// both read it, which costs less than one waiting for the other.
class TableCache {
 public:
  // Most slices that one Read() loads.
  static constexpr size_t kMaxLoad = 16;

  // `format` starts error messages; `order` is that of the entries. Memory: at most max_slices *
  // slice_size bytes, taken as it is needed.
  TableCache(std::string_view format, std::endian order, size_t slice_size, size_t max_slices)
      : format_(format), order_(order), slice_size_(slice_size), slots_(max_slices) {}

  size_t slice_size() const { return slice_size_; }

  // Fills `out` with 8-byte entries in host byte order, from entry `first` of `slices[0]`. When
  // that is not cached, all of `slices` are loaded at once, of which the others are those that will
  // be asked for next. Precondition: the entries lie within the slice; the slices together fit a
  // buffer of the channel.
  Status Read(IoChannel& io, const FileHandle& file, std::span<const Slice> slices, size_t first,
              std::span<uint64_t> out, std::string_view what);

 private:
  struct Slot {
    uint64_t offset = UINT64_MAX;  // the slice's; all ones: empty
    uint64_t last_use = 0;
    std::unique_ptr<std::byte[]> data;
  };

  Slot* Find(uint64_t slice_offset);
  bool TryRead(uint64_t slice_offset, size_t first, std::span<uint64_t> out);
  void Install(const Slice& slice, const std::byte* data);
  void CopyEntries(const std::byte* table, size_t first, std::span<uint64_t> out) const;

  const std::string_view format_;
  const std::endian order_;
  const size_t slice_size_;
  Spinlock lock_;
  std::vector<Slot> slots_;
  uint64_t clock_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_TABLE_CACHE_H_
