#include "vmm-worker/kvm/cpuid.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hotcell::worker {
namespace {

// A processor that has everything.
CpuidEntry ReadEverything(uint32_t function, uint32_t index) {
  CpuidEntry entry{.function = function, .index = index};
  entry.eax = entry.ebx = entry.ecx = entry.edx = ~0u;
  if (function == 0) entry.eax = 0x20;
  if (function == 0xd) {  // component `index`: 64 bytes at 576 + 64 * index
    entry.eax = 64;
    entry.ebx = 576 + 64 * index;
  }
  return entry;
}

// One of 2008.
CpuidEntry ReadOld(uint32_t function, uint32_t index) {
  CpuidEntry entry = ReadEverything(function, index);
  if (function == 0) entry.eax = 4;
  return entry;
}

CpuidEntry Leaf(const GuestCpuid& cpuid, uint32_t function, uint32_t index = 0) {
  const auto found = std::find_if(cpuid.entries.begin(), cpuid.entries.end(), [&](const auto& e) {
    return e.function == function && e.index == index;
  });
  return found == cpuid.entries.end() ? CpuidEntry{} : *found;
}

TEST(CpuidTest, StateIsWhatTheHostHasAndNoMore) {
  EXPECT_EQ(MakeGuestCpuid(&ReadEverything, 0x3).xcr0, 0x3u);
  EXPECT_EQ(MakeGuestCpuid(&ReadEverything, 0x7).xcr0, 0x7u);
  EXPECT_EQ(MakeGuestCpuid(&ReadEverything, 0xe7).xcr0, 0xe7u);
  EXPECT_EQ(MakeGuestCpuid(&ReadEverything, ~uint64_t{0}).xcr0, 0xe7u);
  EXPECT_EQ(MakeGuestCpuid(&ReadEverything, 0x67).xcr0, 0x7u);  // not all of AVX-512
  EXPECT_EQ(MakeGuestCpuid(&ReadEverything, 0xe3).xcr0, 0x3u);  // AVX-512 without AVX
}

TEST(CpuidTest, VectorInstructionsFollowTheState) {
  constexpr uint32_t kAvx = 1u << 28;
  constexpr uint32_t kAvx2 = 1u << 5;
  constexpr uint32_t kAvx512f = 1u << 16;
  const GuestCpuid none = MakeGuestCpuid(&ReadEverything, 0x3);
  EXPECT_EQ(Leaf(none, 1).ecx & kAvx, 0u);
  EXPECT_EQ(Leaf(none, 7).ebx & (kAvx2 | kAvx512f), 0u);
  const GuestCpuid avx = MakeGuestCpuid(&ReadEverything, 0x7);
  EXPECT_NE(Leaf(avx, 1).ecx & kAvx, 0u);
  EXPECT_EQ(Leaf(avx, 7).ebx & (kAvx2 | kAvx512f), kAvx2);
  const GuestCpuid all = MakeGuestCpuid(&ReadEverything, 0xe7);
  EXPECT_EQ(Leaf(all, 7).ebx & (kAvx2 | kAvx512f), kAvx2 | kAvx512f);
}

TEST(CpuidTest, WhatIsNotNeededIsHidden) {
  const GuestCpuid cpuid = MakeGuestCpuid(&ReadEverything, 0xe7);
  constexpr uint32_t kVmx = 1u << 5;
  constexpr uint32_t kX2apic = 1u << 21;
  constexpr uint32_t kHypervisor = 1u << 31;
  EXPECT_EQ(Leaf(cpuid, 1).ecx & (kVmx | kX2apic | kHypervisor), 0u);
  EXPECT_EQ(Leaf(cpuid, 1).ebx >> 16, 0u);  // APIC id and processor count
  constexpr uint32_t kFsgsbase = 1u << 0;
  constexpr uint32_t kRtm = 1u << 11;
  EXPECT_EQ(Leaf(cpuid, 7).ebx & (kFsgsbase | kRtm), 0u);
  EXPECT_EQ(Leaf(cpuid, 0x40000000).function, 0u);
}

TEST(CpuidTest, SaveAreaIsAsLargeAsItsLastComponent) {
  EXPECT_EQ(Leaf(MakeGuestCpuid(&ReadEverything, 0x3), 0xd).ecx, 576u);
  EXPECT_EQ(Leaf(MakeGuestCpuid(&ReadEverything, 0x7), 0xd).ecx, 576u + 3 * 64);
  EXPECT_EQ(Leaf(MakeGuestCpuid(&ReadEverything, 0xe7), 0xd).ecx, 576u + 8 * 64);
  EXPECT_EQ(Leaf(MakeGuestCpuid(&ReadEverything, 0xe7), 0xd).eax, 0xe7u);
}

TEST(CpuidTest, LeavesTheHostLacksAreLeftOut) {
  const GuestCpuid cpuid = MakeGuestCpuid(&ReadOld, 0x3);
  EXPECT_EQ(Leaf(cpuid, 7).function, 0u);
  EXPECT_EQ(Leaf(cpuid, 0xd).function, 0u);
  EXPECT_EQ(Leaf(cpuid, 1).function, 1u);
}

TEST(CpuidTest, HostIsReadable) {
  EXPECT_GE(ReadHostCpuid(0, 0).eax, 1u);
  EXPECT_EQ(ReadHostXcr0() & 1, ReadHostXcr0() == 0 ? 0u : 1u);
}

}  // namespace
}  // namespace hotcell::worker
