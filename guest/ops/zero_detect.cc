#include "guest/ops/zero_detect.h"

#include <cstdint>
#include <cstring>

namespace hotcell::guest {
namespace {

constexpr size_t kStep = 128;

uint64_t Word(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// One bit at least is set in [at, at + kStep). The compiler makes vector loads of it.
bool AnySet(const std::byte* at) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kStep; i += sizeof(uint64_t)) bits |= Word(at + i);
  return bits != 0;
}

}  // namespace

bool IsAllZero(std::span<const std::byte> data) {
  const std::byte* at = data.data();
  size_t left = data.size();
  // The last bytes tell as much as the first, and a block that begins with zeroes (a table that is
  // half full, a text) seldom ends with the same.
  if (left >= 2 * sizeof(uint64_t)) {
    if ((Word(at) | Word(at + left - sizeof(uint64_t))) != 0) return false;
  }
  for (; left >= kStep; at += kStep, left -= kStep) {
    if (AnySet(at)) return false;
  }
  for (; left > 0; ++at, --left) {
    if (*at != std::byte{0}) return false;
  }
  return true;
}

}  // namespace hotcell::guest
