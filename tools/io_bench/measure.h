// What one copy costs, in wall time and in CPU time.
#ifndef HOTCELL_TOOLS_IO_BENCH_MEASURE_H_
#define HOTCELL_TOOLS_IO_BENCH_MEASURE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "tools/io_bench/copier.h"

namespace hotcell::io_bench {

// A way to copy a file.
struct Engine {
  std::string name;
  unsigned threads = 1;
  size_t chunks = 1;  // buffered by each thread
  std::unique_ptr<Copier> (*make)(std::span<std::byte> buffer) = nullptr;
};

struct Files {
  std::string source;
  std::string target;   // made and removed by each copy
  size_t chunk = 0;     // bytes
  bool direct = false;  // O_DIRECT for both
};

struct Cost {
  double wall_ms = 0;
  double cpu_ms = 0;  // user and system, of all threads of the process, the kernel's io-wq too
};

// Size of the source, bytes. Fails when it is no regular file that can be copied chunk by chunk.
absl::StatusOr<size_t> SourceSize(const Files& files);

// Copies once, through `buffer`, which is at least as large as the engine's threads need together.
// With `verify`, fails when the target does not equal the source. Setting up threads, rings and
// files is not measured; nor is getting rid of them.
absl::StatusOr<Cost> Measure(const Engine& engine, const Files& files, std::span<std::byte> buffer,
                             bool verify);

}  // namespace hotcell::io_bench

#endif  // HOTCELL_TOOLS_IO_BENCH_MEASURE_H_
