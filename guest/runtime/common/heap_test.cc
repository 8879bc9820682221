#include "guest/runtime/common/heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace hotcell::guest {
namespace {

constexpr size_t kRegion = 4 << 20;
// What no program can have of a region: the first block's tag and the last block.
constexpr size_t kOverhead = 32;

class HeapTest : public testing::Test {
 protected:
  std::unique_ptr<std::byte[]> memory_ = std::make_unique<std::byte[]>(kRegion);
  Heap heap_{{memory_.get(), kRegion}};

  // True when everything that was allocated is back in one piece.
  bool AllFree() {
    void* const all = heap_.Allocate(kRegion - kOverhead, kHeapAlignment);
    heap_.Free(all);
    return all != nullptr;
  }
};

TEST_F(HeapTest, GivesTheWholeRegionOnce) {
  void* const all = heap_.Allocate(kRegion - kOverhead, kHeapAlignment);
  EXPECT_NE(all, nullptr);
  EXPECT_EQ(heap_.Allocate(1, kHeapAlignment), nullptr);
  heap_.Free(all);
  EXPECT_EQ(heap_.Allocate(kRegion, kHeapAlignment), nullptr);
}

TEST_F(HeapTest, RefusesSizesThatWouldOverflow) {
  for (const size_t size :
       {size_t{1} << 34, size_t{1} << 36, SIZE_MAX / 2, SIZE_MAX - 40, SIZE_MAX}) {
    EXPECT_EQ(heap_.Allocate(size, kHeapAlignment), nullptr);
    EXPECT_EQ(heap_.Allocate(16, size), nullptr);
  }
  EXPECT_TRUE(AllFree());
}

TEST_F(HeapTest, AlignsAsAsked) {
  std::vector<void*> blocks;
  for (size_t alignment = 16; alignment <= 1 << 18; alignment *= 2) {
    for (const size_t size : {1u, 40u, 4096u}) {
      blocks.push_back(heap_.Allocate(size, alignment));
      ASSERT_NE(blocks.back(), nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.back()) % alignment, 0u);
      std::memset(blocks.back(), 0xa5, size);
    }
  }
  for (void* block : blocks) heap_.Free(block);
  EXPECT_TRUE(AllFree());
}

TEST_F(HeapTest, SizeZeroGivesDistinctBlocks) {
  void* const a = heap_.Allocate(0, kHeapAlignment);
  void* const b = heap_.Allocate(0, kHeapAlignment);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  heap_.Free(a);
  heap_.Free(b);
  heap_.Free(nullptr);
  EXPECT_TRUE(AllFree());
}

TEST_F(HeapTest, ResizeKeepsTheBytesWhereverTheBlockGoes) {
  auto* block = static_cast<unsigned char*>(heap_.Resize(nullptr, 100));
  for (size_t i = 0; i < 100; ++i) block[i] = static_cast<unsigned char>(i);
  auto* const grown = static_cast<unsigned char*>(heap_.Resize(block, 5000));
  EXPECT_EQ(grown, block) << "the memory behind it was free";
  void* const wall = heap_.Allocate(16, kHeapAlignment);
  auto* const moved = static_cast<unsigned char*>(heap_.Resize(grown, 50000));
  ASSERT_NE(moved, grown) << "the memory behind it was taken";
  auto* const shrunk = static_cast<unsigned char*>(heap_.Resize(moved, 100));
  EXPECT_EQ(shrunk, moved);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(shrunk[i], i);
  EXPECT_EQ(heap_.Resize(shrunk, kRegion), nullptr) << "and the block stays";
  heap_.Free(shrunk);
  heap_.Free(wall);
  EXPECT_TRUE(AllFree());
}

// Random allocations, resizes and frees, each block filled with its own byte and checked.
void Churn(Heap& heap, unsigned seed, int steps) {
  struct Held {
    unsigned char* data;
    size_t size;
    unsigned char byte;
  };
  std::mt19937 random(seed);
  std::vector<Held> held;
  const auto check = [](const Held& h) {
    return std::all_of(h.data, h.data + h.size, [&h](unsigned char c) { return c == h.byte; });
  };
  for (int step = 0; step < steps; ++step) {
    const auto action = random() % 8;
    // Mostly small, at times big enough to fill the heap and see it refuse.
    const size_t size = random() % (random() % 50 == 0 ? 200'000 : 700);
    const auto byte = static_cast<unsigned char>(random());
    if (action < 4 || held.empty()) {
      const size_t alignment = random() % 16 == 0 ? size_t{16} << random() % 9 : kHeapAlignment;
      auto* const data = static_cast<unsigned char*>(heap.Allocate(size, alignment));
      if (data == nullptr) continue;
      std::memset(data, byte, size);
      held.push_back({data, size, byte});
      continue;
    }
    Held& chosen = held[random() % held.size()];
    ASSERT_TRUE(check(chosen));
    if (action == 4) {
      auto* const data = static_cast<unsigned char*>(heap.Resize(chosen.data, size));
      if (data == nullptr) continue;
      ASSERT_TRUE(check({data, std::min(size, chosen.size), chosen.byte}));
      std::memset(data, byte, size);
      chosen = {data, size, byte};
    } else {
      heap.Free(chosen.data);
      chosen = held.back();
      held.pop_back();
    }
  }
  for (const Held& h : held) {
    ASSERT_TRUE(check(h));
    heap.Free(h.data);
  }
}

TEST_F(HeapTest, BlocksNeverOverlapAndMergeWhenFreed) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Churn(heap_, seed, 5000);
    ASSERT_TRUE(AllFree()) << "seed " << seed;
  }
}

TEST_F(HeapTest, ServesManyThreads) {
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([this, seed] { Churn(heap_, 100 + seed, 20'000); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(AllFree());
}

using HeapDeathTest = HeapTest;

TEST_F(HeapDeathTest, PanicsWhenABlockIsFreedTwice) {
  void* const block = heap_.Allocate(100, kHeapAlignment);
  void* const neighbour = heap_.Allocate(100, kHeapAlignment);
  heap_.Free(block);
  EXPECT_DEATH(heap_.Free(block), "heap.cc:.* check failed");
  heap_.Free(neighbour);
}

TEST_F(HeapDeathTest, PanicsWhenATagWasOverwritten) {
  auto* const block = static_cast<char*>(heap_.Allocate(100, kHeapAlignment));
  heap_.Allocate(100, kHeapAlignment);
  std::memset(block, 0x41, 200);
  EXPECT_DEATH(heap_.Free(block), "heap.cc:.* check failed");
}

TEST_F(HeapDeathTest, PanicsOnAnAddressThatIsNotABlock) {
  auto* const block = static_cast<std::byte*>(heap_.Allocate(100, kHeapAlignment));
  int elsewhere = 0;
  EXPECT_DEATH(heap_.Free(&elsewhere), "heap.cc:.* check failed");
  EXPECT_DEATH(heap_.Free(block + 8), "heap.cc:.* check failed");
}

TEST(Heap, OfTooLittleMemoryGivesNothing) {
  alignas(16) std::byte memory[40];
  Heap heap(memory);
  EXPECT_EQ(heap.Allocate(1, kHeapAlignment), nullptr);
  Heap empty({});
  EXPECT_EQ(empty.Allocate(1, kHeapAlignment), nullptr);
}

}  // namespace
}  // namespace hotcell::guest
