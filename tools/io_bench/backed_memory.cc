#include "tools/io_bench/backed_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace hotcell::io_bench {
namespace {

constexpr size_t kKept = 16;  // one page of this many

}  // namespace

Memory::Memory(size_t size) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return;
  bytes_ = {static_cast<std::byte*>(address), size};
  madvise(address, size, MADV_NOHUGEPAGE);
  std::ranges::fill(bytes_, std::byte{0x5a});
}

Memory::~Memory() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

void Memory::FreeScattered() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (size_t offset = 0; offset + kKept * page <= bytes_.size(); offset += kKept * page) {
    madvise(bytes_.data() + offset + page, (kKept - 1) * page, MADV_DONTNEED);
  }
}

}  // namespace hotcell::io_bench
