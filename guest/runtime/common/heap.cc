#include "guest/runtime/common/heap.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>

#include "base/alignment.h"
#include "guest/runtime/common/panic.h"

namespace hotcell::guest {

// What precedes the bytes of each block. Blocks lie end to end; the last one is an empty block that
// is never free.
struct Heap::Block {
  static constexpr size_t kFree = 1;

  size_t tag;       // bytes of the whole block, a multiple of 16; kFree
  Block* previous;  // the block that ends where this one begins; nullptr for the first
  // The bytes of the program begin here. In a free block:
  Block* next_free;
  Block* previous_free;

  size_t size() const { return tag & ~kFree; }
  bool free() const { return (tag & kFree) != 0; }
  Block* next() { return reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(this) + size()); }
  void* bytes() { return &next_free; }
};

namespace {

constexpr size_t kHeader = 16;
constexpr size_t kSmallestBlock = 32;

}  // namespace

Heap::Heap(std::span<std::byte> memory) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  const size_t skipped = AlignUp(address, kHeapAlignment) - address;
  if (memory.size() < skipped + kSmallestBlock + kHeader) return;
  begin_ = memory.data() + skipped;
  const size_t size = (memory.size() - skipped) & ~(kHeapAlignment - 1);
  HOTCELL_CHECK(size < size_t{1} << kLargestLog2);
  end_ = begin_ + size;

  auto* const first = reinterpret_cast<Block*>(begin_);
  first->tag = size - kHeader;
  first->previous = nullptr;
  Block* const last = first->next();
  last->tag = kHeader;
  last->previous = first;
  Insert(first);
}

Heap::Class Heap::ClassOf(size_t size) {
  if (size < size_t{1} << kSmallLog2) {
    return {.level = 0, .slot = static_cast<unsigned>(size / kHeapAlignment)};
  }
  const auto log2 = static_cast<unsigned>(std::bit_width(size)) - 1;
  return {.level = log2 - kSmallLog2 + 1,
          .slot = static_cast<unsigned>(size >> (log2 - 4)) & (kSplit - 1)};
}

void Heap::Insert(Block* block) {
  const auto [level, slot] = ClassOf(block->size());
  Block*& head = lists_[level][slot];
  block->tag |= Block::kFree;
  block->previous_free = nullptr;
  block->next_free = head;
  if (head != nullptr) head->previous_free = block;
  head = block;
  slots_[level] |= 1u << slot;
  levels_ |= 1u << level;
}

void Heap::Remove(Block* block) {
  const auto [level, slot] = ClassOf(block->size());
  Block*& head = lists_[level][slot];
  if (block->next_free != nullptr) block->next_free->previous_free = block->previous_free;
  if (block->previous_free != nullptr) {
    block->previous_free->next_free = block->next_free;
  } else {
    head = block->next_free;
  }
  if (head == nullptr) {
    slots_[level] &= ~(1u << slot);
    if (slots_[level] == 0) levels_ &= ~(1u << level);
  }
  block->tag &= ~Block::kFree;
}

Heap::Block* Heap::Find(size_t size) {
  const auto [level, slot] = ClassOf(size);
  // Some blocks of the size's own class may be too small, unless the class has one size.
  if (level == 0 && (slots_[0] & 1u << slot) != 0) return lists_[0][slot];
  // Every block of a higher class fits.
  const uint32_t slots = slots_[level] & ~((2u << slot) - 1);
  if (slots != 0) return lists_[level][std::countr_zero(slots)];
  const uint32_t levels = levels_ & ~((2u << level) - 1);
  if (levels != 0) {
    const int higher = std::countr_zero(levels);
    return lists_[higher][std::countr_zero(slots_[higher])];
  }
  // Memory is nearly used up: look for one that fits after all.
  Block* block = lists_[level][slot];
  while (block != nullptr && block->size() < size) block = block->next_free;
  return block;
}

Heap::Block* Heap::TakeFitting(size_t size) {
  Block* const block = Find(size);
  if (block != nullptr) Remove(block);
  return block;
}

// Gives the bytes of a used block beyond `size` back, if they make a block.
void Heap::SplitTail(Block* block, size_t size) {
  if (block->size() - size < kSmallestBlock) return;
  auto* const tail = reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(block) + size);
  tail->tag = block->size() - size;
  tail->previous = block;
  tail->next()->previous = tail;
  block->tag = size;
  Release(tail);
}

// Makes a used block free and one with its free neighbours.
void Heap::Release(Block* block) {
  if (Block* const next = block->next(); next->free()) {
    Remove(next);
    block->tag += next->size();
  }
  if (Block* const previous = block->previous; previous != nullptr && previous->free()) {
    Remove(previous);
    previous->tag += block->size();
    block = previous;
  }
  block->next()->previous = block;
  Insert(block);
}

Heap::Block* Heap::AllocateAligned(size_t size, size_t alignment) {
  // Room to move the block's start up to where its bytes are aligned, leaving a whole block before.
  Block* const block = TakeFitting(size + alignment + kSmallestBlock);
  if (block == nullptr) return nullptr;
  const auto bytes = reinterpret_cast<uintptr_t>(block->bytes());
  if (AlignUp(bytes, alignment) == bytes) return block;

  const size_t gap = AlignUp(bytes + kSmallestBlock, alignment) - bytes;
  auto* const aligned = reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(block) + gap);
  aligned->tag = block->size() - gap;
  aligned->previous = block;
  aligned->next()->previous = aligned;
  block->tag = gap;
  Release(block);
  return aligned;
}

void* Heap::Allocate(size_t size, size_t alignment) {
  if (size >= kTooBig || alignment >= kTooBig) return nullptr;
  const size_t wanted = std::max(AlignUp(size + kHeader, kHeapAlignment), kSmallestBlock);
  const std::lock_guard<Spinlock> lock(lock_);
  Block* const block =
      alignment <= kHeapAlignment ? TakeFitting(wanted) : AllocateAligned(wanted, alignment);
  if (block == nullptr) return nullptr;
  SplitTail(block, wanted);
  return block->bytes();
}

// The block of an address the program passes in, after checking that it is one.
Heap::Block* Heap::Owned(const void* memory) {
  auto* const bytes = static_cast<std::byte*>(const_cast<void*>(memory));
  HOTCELL_CHECK(bytes >= begin_ + kHeader && bytes < end_ - kHeader);
  HOTCELL_CHECK(reinterpret_cast<uintptr_t>(bytes) % kHeapAlignment == 0);
  auto* const block = reinterpret_cast<Block*>(bytes - kHeader);
  HOTCELL_CHECK(!block->free());
  HOTCELL_CHECK(block->size() >= kSmallestBlock &&
                block->size() <= static_cast<size_t>(end_ - bytes));
  HOTCELL_CHECK(block->next()->previous == block);
  return block;
}

void Heap::Free(void* memory) {
  if (memory == nullptr) return;
  const std::lock_guard<Spinlock> lock(lock_);
  Release(Owned(memory));
}

void* Heap::Resize(void* memory, size_t size) {
  if (memory == nullptr) return Allocate(size, kHeapAlignment);
  if (size >= kTooBig) return nullptr;
  const size_t wanted = std::max(AlignUp(size + kHeader, kHeapAlignment), kSmallestBlock);
  size_t old_size = 0;
  {
    const std::lock_guard<Spinlock> lock(lock_);
    Block* const block = Owned(memory);
    Block* const next = block->next();
    if (block->size() < wanted && next->free() && block->size() + next->size() >= wanted) {
      Remove(next);
      block->tag += next->size();
      block->next()->previous = block;
    }
    if (block->size() >= wanted) {
      SplitTail(block, wanted);
      return memory;
    }
    old_size = block->size() - kHeader;
  }
  void* const moved = Allocate(size, kHeapAlignment);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(old_size, size));
  Free(memory);
  return moved;
}

}  // namespace hotcell::guest
