#include "tools/codec_bench/memory_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>

#include "guest/ops/pipeline/zero_detect.h"
#include "guest/runtime/common/memory.h"

namespace hotcell::codec_bench {
namespace {

// Bytes that one round passes over.
constexpr size_t kRoundSize = size_t{512} << 20;

// The compiler takes the memory at `at` to be read and changed here.
void Opaque(const void* at) { asm volatile("" : : "r"(at) : "memory"); }

// work(offset): one call, on the block at `offset` of the working set.
double BestGibPerSecond(size_t block, size_t working_set, unsigned rounds,
                        const std::function<void(size_t)>& work) {
  double best = 0;
  for (unsigned round = 0; round <= rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (size_t done = 0; done < kRoundSize; done += block) work(done % working_set);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (round > 0) best = std::max(best, kRoundSize / taken.count() / (1 << 30));
  }
  return best;
}

struct Shape {
  size_t block;
  size_t working_set;
};
// A cluster and a chunk: within the second level cache, and beyond the last.
constexpr Shape kShapes[] = {
    {4 << 10, 32 << 10}, {64 << 10, 512 << 10}, {64 << 10, 256 << 20}, {1 << 20, 256 << 20}};

}  // namespace

std::vector<MemoryMeasurement> MeasureMemory(unsigned rounds) {
  std::vector<MemoryMeasurement> measured;
  std::vector<std::byte> from(256 << 20);
  std::vector<std::byte> to(256 << 20);
  for (const auto& [block, working_set] : kShapes) {
    const auto add = [&](std::string operation, std::string name,
                         const std::function<void(size_t)>& work) {
      measured.push_back({std::move(operation), std::move(name), block, working_set,
                          BestGibPerSecond(block, working_set, rounds, work)});
    };
    std::ranges::fill(from, std::byte{0});
    for (const guest::ZeroDetector& detector : guest::ZeroDetectors()) {
      add("zero detect", detector.name, [&](size_t at) {
        if (!detector.is_all_zero({from.data() + at, block})) std::abort();
      });
    }
    add("copy", "libc memcpy", [&](size_t at) {
      std::memcpy(to.data() + at, from.data() + at, block);
      Opaque(to.data());
    });
    add("copy", "guest", [&](size_t at) {
      guest::CopyBytes(to.data() + at, from.data() + at, block);
      Opaque(to.data());
    });
    add("fill", "libc memset", [&](size_t at) {
      std::memset(to.data() + at, 0, block);
      Opaque(to.data());
    });
    add("fill", "guest", [&](size_t at) {
      guest::FillBytes(to.data() + at, 0, block);
      Opaque(to.data());
    });
  }
  return measured;
}

}  // namespace hotcell::codec_bench
