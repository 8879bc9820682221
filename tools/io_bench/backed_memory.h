// Memory that makes measurements in a virtual machine repeatable.
#ifndef HOTCELL_TOOLS_IO_BENCH_BACKED_MEMORY_H_
#define HOTCELL_TOOLS_IO_BENCH_BACKED_MEMORY_H_

#include <cstddef>
#include <span>

namespace hotcell::io_bench {

// Anonymous memory of whole pages, all of them touched; empty when there is none to be had.
class Memory {
 public:
  explicit Memory(size_t size);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }

  // Frees fifteen of every sixteen pages. What is free then lies in blocks too small for a virtual
  // machine's host to take them back, so the next to touch those pages (a tmpfs, the page cache)
  // does not wait for the host: the same as BackedMemory in tools/lib/bench_measure.py.
  void FreeScattered();

 private:
  std::span<std::byte> bytes_;
};

}  // namespace hotcell::io_bench

#endif  // HOTCELL_TOOLS_IO_BENCH_BACKED_MEMORY_H_
