// The functions of libcrypto for one hash, without its providers: they need no memory and no
// operating system. OpenSSL 3 calls them deprecated in favour of those.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "guest/codecs/sha256.h"

#include <cpuid.h>

#include <cstdint>
#include <cstring>

// What sha256-x86_64.o wants of the rest of libcrypto, which is not linked.
extern "C" {

// Words of CPUID: leaf 1 EDX and ECX, leaf 7 EBX and ECX. Set before they are read.
extern uint32_t OPENSSL_ia32cap_P[4];  // NOLINT(bugprone-reserved-identifier)
uint32_t OPENSSL_ia32cap_P[4] = {};

void OPENSSL_cleanse(void* memory, size_t size) { std::memset(memory, 0, size); }

}  // extern "C"

namespace hotcell::guest {
namespace {

bool SystemSavesAvx() {
  constexpr uint32_t kAvxState = 0x6;  // of XCR0: SSE and AVX
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kAvxState) == kAvxState;
}

// Finds only the capabilities that the hash chooses among: SSSE3, AVX2 with BMI, SHA. Lanes may
// come here at once, and store the same.
void FindCapabilities() {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
  uint32_t d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return;
  OPENSSL_ia32cap_P[1] = c & bit_SSSE3;
  const bool avx = (c & bit_OSXSAVE) != 0 && SystemSavesAvx();
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return;
  OPENSSL_ia32cap_P[2] = b & (bit_SHA | (avx ? bit_AVX2 | bit_BMI | bit_BMI2 : 0));
}

}  // namespace

Sha256::Sha256() {
  FindCapabilities();
  SHA256_Init(&context_);
}

void Sha256::Update(std::span<const std::byte> data) {
  SHA256_Update(&context_, data.data(), data.size());
}

Sha256::Digest Sha256::Final() {
  Digest digest;
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context_);
  return digest;
}

}  // namespace hotcell::guest
