// Speed of finding zeroes and of moving and filling memory, beside the C library's.
#ifndef HOTCELL_TOOLS_CODEC_BENCH_MEMORY_BENCH_H_
#define HOTCELL_TOOLS_CODEC_BENCH_MEMORY_BENCH_H_

#include <cstddef>
#include <string>
#include <vector>

namespace hotcell::codec_bench {

struct MemoryMeasurement {
  std::string operation;      // "zero detect", "copy" or "fill"
  std::string name;           // "avx2", "libc memcpy", ...
  size_t block = 0;           // bytes in one call
  size_t working_set = 0;     // bytes that calls go round in: what fits a cache stays in it
  double gib_per_second = 0;  // of one thread; best of the rounds
};

std::vector<MemoryMeasurement> MeasureMemory(unsigned rounds);

}  // namespace hotcell::codec_bench

#endif  // HOTCELL_TOOLS_CODEC_BENCH_MEMORY_BENCH_H_
