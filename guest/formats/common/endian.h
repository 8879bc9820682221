// Integers of on-disk structs: stored byte by byte, so that a struct of them has no padding and may
// lie at any address.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_ENDIAN_H_
#define HOTCELL_GUEST_FORMATS_COMMON_ENDIAN_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace hotcell::guest {

static_assert(std::endian::native == std::endian::little);

inline uint16_t SwapBytes(uint16_t value) { return __builtin_bswap16(value); }
inline uint32_t SwapBytes(uint32_t value) { return __builtin_bswap32(value); }
inline uint64_t SwapBytes(uint64_t value) { return __builtin_bswap64(value); }

template <typename T, std::endian kOrder>
class OnDisk {
 public:
  OnDisk() = default;
  OnDisk(T value) { *this = value; }  // NOLINT(google-explicit-constructor)

  OnDisk& operator=(T value) {
    const T stored = Convert(value);
    std::memcpy(bytes_, &stored, sizeof(T));
    return *this;
  }
  operator T() const {  // NOLINT(google-explicit-constructor)
    T value;
    std::memcpy(&value, bytes_, sizeof(T));
    return Convert(value);
  }

 private:
  static T Convert(T value) {
    if constexpr (kOrder == std::endian::native) return value;
    return SwapBytes(value);
  }

  std::byte bytes_[sizeof(T)] = {};
};

using Be16 = OnDisk<uint16_t, std::endian::big>;
using Be32 = OnDisk<uint32_t, std::endian::big>;
using Be64 = OnDisk<uint64_t, std::endian::big>;
using Le16 = OnDisk<uint16_t, std::endian::little>;
using Le32 = OnDisk<uint32_t, std::endian::little>;
using Le64 = OnDisk<uint64_t, std::endian::little>;

// The on-disk struct at `offset` of `bytes`. Precondition: it lies within.
template <typename T>
T LoadStruct(std::span<const std::byte> bytes, size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return out;
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_ENDIAN_H_
