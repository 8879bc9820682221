// The one instruction with which a payload reaches outside its memory.
#ifndef HOTCELL_GUEST_RUNTIME_GUEST_PORTS_H_
#define HOTCELL_GUEST_RUNTIME_GUEST_PORTS_H_

#include <cstdint>

#include "guest/abi/abi.h"

namespace hotcell::guest {

// A 32-bit `out`. Memory is written back before it, as the compiler sees it: who the port wakes
// reads what the caller stored.
inline void Out32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

// Ends the calling vCPU (kPortExit).
[[noreturn]] inline void ExitVcpu(uint32_t code) {
  for (;;) Out32(abi::kPortExit, code);
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_GUEST_PORTS_H_
