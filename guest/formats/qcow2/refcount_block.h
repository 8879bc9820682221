// Entries of a refcount block: 2^refcount_order bits each, from the lowest bit of a byte up; those
// of several bytes are big-endian.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_BLOCK_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::qcow2 {

inline uint64_t MaxRefcount(uint32_t refcount_order) {
  return refcount_order == 6 ? UINT64_MAX : (1ull << (1u << refcount_order)) - 1;
}

inline uint64_t GetRefcount(std::span<const std::byte> block, uint32_t refcount_order,
                            uint64_t index) {
  if (refcount_order < 3) {
    const uint32_t bits = 1u << refcount_order;
    const auto byte = static_cast<uint32_t>(block[(index * bits) / 8]);
    return (byte >> ((index * bits) % 8)) & ((1u << bits) - 1);
  }
  if (refcount_order == 4) return LoadStruct<Be16>(block, index * sizeof(Be16));
  const uint32_t bytes = 1u << (refcount_order - 3);
  uint64_t value = 0;
  for (uint32_t i = 0; i < bytes; ++i) {
    value = value << 8 | static_cast<uint64_t>(block[index * bytes + i]);
  }
  return value;
}

// Precondition: value <= MaxRefcount(refcount_order).
inline void SetRefcount(std::span<std::byte> block, uint32_t refcount_order, uint64_t index,
                        uint64_t value) {
  if (refcount_order < 3) {
    const uint32_t bits = 1u << refcount_order;
    const auto shift = static_cast<uint32_t>((index * bits) % 8);
    std::byte& byte = block[(index * bits) / 8];
    byte &= ~static_cast<std::byte>(((1u << bits) - 1) << shift);
    byte |= static_cast<std::byte>(value << shift);
    return;
  }
  const uint32_t bytes = 1u << (refcount_order - 3);
  for (uint32_t i = bytes; i-- > 0; value >>= 8) {
    block[index * bytes + i] = static_cast<std::byte>(value);
  }
}

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_BLOCK_H_
