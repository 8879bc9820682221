#include "vmm-worker/own_memory.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/alignment.h"
#include "guest/abi/abi.h"

// The linker's: where the data of the program begins and ends.
extern "C" char __data_start[];  // NOLINT(bugprone-reserved-identifier)
extern "C" char _end[];

namespace hotcell::worker {
namespace {

constexpr size_t kMainStackSize = 256 << 10;
// Reach from the end of the heap and of the stack to beyond their beginning, which nothing says.
// Below the heap is at most the program; below the stack the kernel leaves a gap of 128 MiB or
// more.
constexpr uintptr_t kHeapSpan = 1 << 30;
constexpr uintptr_t kStackSpan = 16 << 20;

// [begin, end) may have gaps: the kernel advises what is mapped and then says ENOMEM.
Status HideFromDumps(uintptr_t begin, uintptr_t end) {
  begin = AlignDown(begin, abi::kPageSize);
  end = AlignUp(end, abi::kPageSize);
  // The kernel tells of memory in numbers. NOLINTNEXTLINE(performance-no-int-to-ptr)
  if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTDUMP) == 0 || errno == ENOMEM) {
    return {};
  }
  return ErrnoError(v1::STEP_KEEP_OUT_OF_DUMPS);
}

}  // namespace

Result<Mapping> MapMainStack() { return Mapping::Stack(kMainStackSize); }

void SwitchStack(std::span<std::byte> stack, void (*run)(void*), void* argument) {
  // The end of a mapping: aligned as a call needs it.
  std::byte* const top = stack.data() + stack.size();
  asm volatile(
      "mov %[top], %%rsp\n\t"
      "xor %%ebp, %%ebp\n\t"  // end of the chain of frames
      "call *%[run]\n\t"
      "ud2"
      :
      : [top] "r"(top), [run] "r"(run), "D"(argument)
      : "memory");
  __builtin_unreachable();
}

Status HideOwnMemoryFromDumps() {
  Status status =
      HideFromDumps(reinterpret_cast<uintptr_t>(__data_start), reinterpret_cast<uintptr_t>(_end));
  if (!status.ok()) return status;
  const auto heap_end = reinterpret_cast<uintptr_t>(sbrk(0));
  status = HideFromDumps(heap_end - std::min(heap_end, kHeapSpan), heap_end);
  if (!status.ok()) return status;
  // The program's name is what the kernel puts on the stack first, below one word of zeroes.
  const uintptr_t name = getauxval(AT_EXECFN);
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  const uintptr_t top = name + std::strlen(reinterpret_cast<const char*>(name)) + 1 + sizeof(void*);
  return HideFromDumps(top - kStackSpan, top);
}

}  // namespace hotcell::worker
