// The other way into the kernel, which a filter for 64-bit system calls must not leave open.
#ifndef HOTCELL_TESTS_SUPPORT_I386_ENTRY_H_
#define HOTCELL_TESTS_SUPPORT_I386_ENTRY_H_

#include <cstdint>

namespace hotcell::tests {

// Makes the system call of i386's `number`, with zeroes for arguments, through the entry that
// 64-bit processes have for it. Returns what the kernel answers.
inline int64_t Interrupt80(int64_t number) {
  int64_t result = number;
  asm volatile("int $0x80"
               : "+a"(result)
               : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
               : "r8", "r9", "r10", "r11", "memory");
  return result;
}

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_SUPPORT_I386_ENTRY_H_
