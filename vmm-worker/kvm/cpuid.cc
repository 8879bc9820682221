#include "vmm-worker/kvm/cpuid.h"

#include <cpuid.h>
#include <sys/platform/x86.h>

#include <algorithm>
#include <initializer_list>

namespace hotcell::worker {
namespace {

constexpr uint32_t Bits(std::initializer_list<int> bits) {
  uint32_t mask = 0;
  for (const int bit : bits) mask |= 1u << bit;
  return mask;
}

// Leaf 1. OSXSAVE (27) follows CR4, KVM sets it.
constexpr uint32_t kLeaf1Ecx =
    Bits({0 /* SSE3 */, 1 /* PCLMULQDQ */, 9 /* SSSE3 */, 13 /* CMPXCHG16B */, 19 /* SSE4.1 */,
          20 /* SSE4.2 */, 22 /* MOVBE */, 23 /* POPCNT */, 25 /* AES */, 26 /* XSAVE */,
          30 /* RDRAND */});
constexpr uint32_t kLeaf1EcxAvx = Bits({12 /* FMA */, 28 /* AVX */, 29 /* F16C */});
constexpr uint32_t kLeaf1Edx =
    Bits({0 /* FPU */, 3 /* PSE */, 4 /* TSC */, 5 /* MSR */, 6 /* PAE */, 8 /* CX8 */,
          13 /* PGE */, 15 /* CMOV */, 16 /* PAT */, 19 /* CLFLUSH */, 23 /* MMX */, 24 /* FXSR */,
          25 /* SSE */, 26 /* SSE2 */});

// Leaf 7. FSGSBASE (0) stays out: FS is the worker's to set.
constexpr uint32_t kLeaf7Ebx = Bits({3 /* BMI1 */, 7 /* SMEP */, 8 /* BMI2 */, 9 /* ERMS */,
                                     19 /* ADX */, 20 /* SMAP */, 29 /* SHA */});
constexpr uint32_t kLeaf7EbxAvx = Bits({5 /* AVX2 */});
constexpr uint32_t kLeaf7EbxAvx512 =
    Bits({16 /* F */, 17 /* DQ */, 21 /* IFMA */, 28 /* CD */, 30 /* BW */, 31 /* VL */});
constexpr uint32_t kLeaf7Ecx = Bits({2 /* UMIP */, 8 /* GFNI */});
constexpr uint32_t kLeaf7EcxAvx = Bits({9 /* VAES */, 10 /* VPCLMULQDQ */});
constexpr uint32_t kLeaf7EcxAvx512 =
    Bits({1 /* VBMI */, 6 /* VBMI2 */, 11 /* VNNI */, 12 /* BITALG */, 14 /* VPOPCNTDQ */});
constexpr uint32_t kLeaf7Edx = Bits({4 /* FSRM */});

constexpr uint32_t kExtendedEcx = Bits({0 /* LAHF */, 5 /* LZCNT */, 8 /* PREFETCHW */});
constexpr uint32_t kExtendedEdx = Bits({20 /* NX */, 26 /* 1 GiB pages */, 29 /* long mode */});

constexpr uint32_t kXsaveLegacySize = 512 + 64;  // bytes, legacy region and header
constexpr uint32_t kLeafXsave = 0xd;
constexpr uint32_t kLeafExtended = 0x80000001;
constexpr uint32_t kLeafAddressSizes = 0x80000008;

// The components of `host_xcr0` that a guest may have, each only with those it builds on.
uint64_t GuestXcr0(uint64_t host_xcr0) {
  uint64_t xcr0 = kXcr0X87 | kXcr0Sse;
  if ((host_xcr0 & kXcr0Avx) == 0) return xcr0;
  xcr0 |= kXcr0Avx;
  if ((host_xcr0 & kXcr0Avx512) == kXcr0Avx512) xcr0 |= kXcr0Avx512;
  return xcr0;
}

}  // namespace

namespace {

// Leaves that glibc has read at its start.
const cpuid_feature* KnownLeaf(uint32_t function, uint32_t index) {
  if (index != 0) return nullptr;
  switch (function) {
    case 1:
      return __x86_get_cpuid_feature_leaf(CPUID_INDEX_1);
    case 7:
      return __x86_get_cpuid_feature_leaf(CPUID_INDEX_7);
    case kLeafExtended:
      return __x86_get_cpuid_feature_leaf(CPUID_INDEX_80000001);
    case kLeafAddressSizes:
      return __x86_get_cpuid_feature_leaf(CPUID_INDEX_80000008);
    default:
      return nullptr;
  }
}

}  // namespace

CpuidEntry ReadHostCpuid(uint32_t function, uint32_t index) {
  CpuidEntry entry{.function = function, .index = index};
  // The instruction costs nanoseconds on hardware and microseconds in a guest, as a host may be.
  if (const cpuid_feature* leaf = KnownLeaf(function, index)) {
    entry.eax = leaf->cpuid_array[0];
    entry.ebx = leaf->cpuid_array[1];
    entry.ecx = leaf->cpuid_array[2];
    entry.edx = leaf->cpuid_array[3];
    return entry;
  }
  __cpuid_count(function, index, entry.eax, entry.ebx, entry.ecx, entry.edx);
  return entry;
}

uint64_t ReadHostXcr0() {
  constexpr uint32_t kOsxsave = 1u << 27;
  if ((ReadHostCpuid(1, 0).ecx & kOsxsave) == 0) return 0;
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

GuestCpuid MakeGuestCpuid(CpuidReader read, uint64_t host_xcr0) {
  GuestCpuid guest;
  guest.xcr0 = GuestXcr0(host_xcr0);
  const bool avx = (guest.xcr0 & kXcr0Avx) != 0;
  const bool avx512 = (guest.xcr0 & kXcr0Avx512) != 0;

  CpuidEntry leaf = read(0, 0);
  const uint32_t host_max = leaf.eax;
  leaf.eax = kLeafXsave;
  guest.entries.push_back(leaf);

  leaf = read(1, 0);
  leaf.ebx &= 0xff00;  // CLFLUSH line size; no APIC id, no processor count
  leaf.ecx &= kLeaf1Ecx | (avx ? kLeaf1EcxAvx : 0);
  leaf.edx &= kLeaf1Edx;
  guest.entries.push_back(leaf);

  if (host_max >= 7) {
    leaf = read(7, 0);
    leaf.index_matters = true;
    leaf.eax = 0;
    leaf.ebx &= kLeaf7Ebx | (avx ? kLeaf7EbxAvx : 0) | (avx512 ? kLeaf7EbxAvx512 : 0);
    leaf.ecx &= kLeaf7Ecx | (avx ? kLeaf7EcxAvx : 0) | (avx512 ? kLeaf7EcxAvx512 : 0);
    leaf.edx &= kLeaf7Edx;
    guest.entries.push_back(leaf);
  }

  if (host_max >= kLeafXsave) {
    CpuidEntry xsave{.function = kLeafXsave, .index_matters = true};
    xsave.eax = static_cast<uint32_t>(guest.xcr0);
    xsave.ecx = kXsaveLegacySize;
    std::vector<CpuidEntry> components;
    for (uint32_t component = 2; component < 8; ++component) {
      if ((guest.xcr0 & (1u << component)) == 0) continue;
      leaf = read(kLeafXsave, component);
      leaf.index_matters = true;
      leaf.ecx = 0;
      leaf.edx = 0;
      xsave.ecx = std::max(xsave.ecx, leaf.eax + leaf.ebx);
      components.push_back(leaf);
    }
    xsave.ebx = xsave.ecx;
    guest.entries.push_back(xsave);
    guest.entries.insert(guest.entries.end(), components.begin(), components.end());
  }

  guest.entries.push_back({.function = 0x80000000, .eax = kLeafAddressSizes});
  leaf = read(kLeafExtended, 0);
  leaf.eax = 0;
  leaf.ebx = 0;
  leaf.ecx &= kExtendedEcx;
  leaf.edx &= kExtendedEdx;
  guest.entries.push_back(leaf);
  leaf = read(kLeafAddressSizes, 0);
  leaf.eax &= 0xffff;  // widths of physical and linear addresses
  leaf.ebx = leaf.ecx = leaf.edx = 0;
  guest.entries.push_back(leaf);
  return guest;
}

}  // namespace hotcell::worker
