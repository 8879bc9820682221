// The guest's heap: segregated free lists with boundary tags, so that allocating, freeing and
// merging with free neighbours take constant time whatever the program did before. Free blocks are
// listed by size class, sixteen classes to each power of two (two-level segregated fit).
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_HEAP_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

inline constexpr size_t kHeapAlignment = 16;

// Thread-safe. Does not own its memory. A free of what was not allocated, or a tag that was
// overwritten, panics.
class Heap {
 public:
  // `memory` is less than 64 GiB; bytes at its ends that are not aligned are not used.
  explicit Heap(std::span<std::byte> memory);
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // nullptr when no free block is big enough. alignment: a power of two. Size 0 gives a block that
  // is different from all others.
  void* Allocate(size_t size, size_t alignment);
  // nullptr is allowed.
  void Free(void* memory);
  // Resizes as realloc() does: a result of nullptr leaves `memory` as it is.
  void* Resize(void* memory, size_t size);

 private:
  struct Block;

  // Classes: blocks below 256 bytes by their size in 16-byte steps, then 16 to a power of two.
  static constexpr unsigned kSplit = 16;
  static constexpr unsigned kSmallLog2 = 8;
  static constexpr unsigned kLargestLog2 = 36;
  // Requests from here on fail unseen, so that sums with headers and alignments have a class.
  static constexpr size_t kTooBig = size_t{1} << (kLargestLog2 - 2);
  static constexpr unsigned kLevels = kLargestLog2 - kSmallLog2 + 1;

  struct Class {
    unsigned level;
    unsigned slot;
  };
  static Class ClassOf(size_t size);

  Block* Find(size_t size);
  Block* TakeFitting(size_t size);
  Block* AllocateAligned(size_t size, size_t alignment);
  void Insert(Block* block);
  void Remove(Block* block);
  void SplitTail(Block* block, size_t size);
  void Release(Block* block);
  Block* Owned(const void* memory);

  Spinlock lock_;
  std::byte* begin_ = nullptr;
  std::byte* end_ = nullptr;
  uint32_t levels_ = 0;           // bit l: slots_[l] is not 0
  uint32_t slots_[kLevels] = {};  // bit s: lists_[l][s] is not empty
  Block* lists_[kLevels][kSplit] = {};
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_HEAP_H_
