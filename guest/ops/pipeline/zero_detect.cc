#include "guest/ops/pipeline/zero_detect.h"

#include <cpuid.h>
#include <immintrin.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace hotcell::guest {
namespace {

uint64_t Word(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// Fewer bytes than one step of the vectors' loops.
bool IsShortZero(std::span<const std::byte> data) {
  uint64_t bits = 0;
  size_t i = 0;
  for (; data.size() - i >= sizeof(uint64_t); i += sizeof(uint64_t)) bits |= Word(&data[i]);
  for (; i < data.size(); ++i) bits |= std::to_integer<uint64_t>(data[i]);
  return bits == 0;
}

// The last bytes tell as much as the first, and a block that begins with zeroes (a table that is
// half full, a text) seldom ends with the same.
bool EndsAreZero(std::span<const std::byte> data) {
  return (Word(data.data()) | Word(data.data() + data.size() - sizeof(uint64_t))) == 0;
}

// Each of these looks at `kStep...` bytes at a time; the last step overlaps the one before it. They
// are alike but for their vectors: a function is only inlined into one for the same processor.

constexpr size_t kStepSse2 = 128;

bool AnySetSse2(const std::byte* at) {
  __m128i bits = _mm_setzero_si128();
  for (size_t i = 0; i < kStepSse2; i += sizeof(bits)) {
    bits = _mm_or_si128(bits, _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i)));
  }
  return _mm_movemask_epi8(_mm_cmpeq_epi8(bits, _mm_setzero_si128())) != 0xffff;
}

bool IsAllZeroSse2(std::span<const std::byte> data) {
  if (data.size() < kStepSse2) return IsShortZero(data);
  if (!EndsAreZero(data)) return false;
  const std::byte* const last = data.data() + data.size() - kStepSse2;
  for (const std::byte* at = data.data(); at < last; at += kStepSse2) {
    if (AnySetSse2(at)) return false;
  }
  return !AnySetSse2(last);
}

constexpr size_t kStepAvx2 = 256;

[[gnu::target("avx2")]] bool AnySetAvx2(const std::byte* at) {
  __m256i bits = _mm256_setzero_si256();
  for (size_t i = 0; i < kStepAvx2; i += sizeof(bits)) {
    bits = _mm256_or_si256(bits, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + i)));
  }
  return _mm256_testz_si256(bits, bits) == 0;
}

[[gnu::target("avx2")]] bool IsAllZeroAvx2(std::span<const std::byte> data) {
  if (data.size() < kStepAvx2) return IsAllZeroSse2(data);
  if (!EndsAreZero(data)) return false;
  const std::byte* const last = data.data() + data.size() - kStepAvx2;
  for (const std::byte* at = data.data(); at < last; at += kStepAvx2) {
    if (AnySetAvx2(at)) return false;
  }
  return !AnySetAvx2(last);
}

constexpr size_t kStepAvx512 = 512;

[[gnu::target("avx512f")]] bool AnySetAvx512(const std::byte* at) {
  __m512i bits = _mm512_setzero_si512();
  for (size_t i = 0; i < kStepAvx512; i += sizeof(bits)) {
    bits = _mm512_or_si512(bits, _mm512_loadu_si512(at + i));
  }
  return _mm512_test_epi64_mask(bits, bits) != 0;
}

[[gnu::target("avx512f")]] bool IsAllZeroAvx512(std::span<const std::byte> data) {
  if (data.size() < kStepAvx512) return IsAllZeroSse2(data);
  if (!EndsAreZero(data)) return false;
  const std::byte* const last = data.data() + data.size() - kStepAvx512;
  for (const std::byte* at = data.data(); at < last; at += kStepAvx512) {
    if (AnySetAvx512(at)) return false;
  }
  return !AnySetAvx512(last);
}

constexpr std::array<ZeroDetector, 3> kDetectors = {{
    {"sse2", IsAllZeroSse2},
    {"avx2", IsAllZeroAvx2},
    {"avx512", IsAllZeroAvx512},
}};

// XCR0, in which the system says what it saves. A processor has it when CPUID says OSXSAVE.
uint32_t EnabledState() {
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

size_t CountUsable() {
  constexpr uint32_t kAvxState = 0x6;      // SSE and AVX
  constexpr uint32_t kAvx512State = 0xe6;  // with mask registers and both halves
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
  uint32_t d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return 1;
  const uint32_t state = EnabledState();
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return 1;
  if ((state & kAvxState) != kAvxState || (b & bit_AVX2) == 0) return 1;
  if ((state & kAvx512State) != kAvx512State || (b & bit_AVX512F) == 0) return 2;
  return 3;
}

bool ChooseFirst(std::span<const std::byte> data);

// The guest has no IFUNCs. Lanes may choose at the same time, and choose the same.
constinit std::atomic<decltype(&ChooseFirst)> g_is_all_zero = &ChooseFirst;

bool ChooseFirst(std::span<const std::byte> data) {
  const auto widest = ZeroDetectors().back().is_all_zero;
  g_is_all_zero.store(widest, std::memory_order_relaxed);
  return widest(data);
}

}  // namespace

std::span<const ZeroDetector> ZeroDetectors() { return std::span(kDetectors).first(CountUsable()); }

bool IsAllZero(std::span<const std::byte> data) {
  return g_is_all_zero.load(std::memory_order_relaxed)(data);
}

}  // namespace hotcell::guest
