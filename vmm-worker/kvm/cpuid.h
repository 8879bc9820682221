// What a guest learns about its processor: the vector, bit-manipulation and string instructions
// that codecs dispatch on, and nothing else: no hypervisor leaf, no topology, no power management.
#ifndef HOTCELL_VMM_WORKER_KVM_CPUID_H_
#define HOTCELL_VMM_WORKER_KVM_CPUID_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace hotcell::worker {

struct CpuidEntry {
  uint32_t function = 0;
  uint32_t index = 0;
  bool index_matters = false;
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// XSAVE state components, the bits of XCR0 (Intel SDM volume 1, 13.1).
inline constexpr uint64_t kXcr0X87 = 1;
inline constexpr uint64_t kXcr0Sse = 2;
inline constexpr uint64_t kXcr0Avx = 4;
inline constexpr uint64_t kXcr0Avx512 = 0xe0;

// Reads a leaf of the processor this runs on.
using CpuidReader = CpuidEntry (*)(uint32_t function, uint32_t index);
CpuidEntry ReadHostCpuid(uint32_t function, uint32_t index);
// XCR0 of the host; 0 when its kernel does not use XSAVE.
uint64_t ReadHostXcr0();

struct GuestCpuid {
  std::vector<CpuidEntry> entries;
  uint64_t xcr0 = kXcr0X87 | kXcr0Sse;
};

// The guest's leaves: the host's, limited to instructions that need no more than user mode and the
// state components in `host_xcr0`. The host's own CPUID and not KVM_GET_SUPPORTED_CPUID is the
// source: that call is the dearest of the whole set-up, and under KVM-PVM it leaves out
// instructions that work.
GuestCpuid MakeGuestCpuid(CpuidReader read, uint64_t host_xcr0);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_KVM_CPUID_H_
