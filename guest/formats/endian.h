// Integers of on-disk structs: stored byte by byte, so that a struct of them has no padding and may
// lie at any address.
#ifndef HOTCELL_GUEST_FORMATS_ENDIAN_H_
#define HOTCELL_GUEST_FORMATS_ENDIAN_H_

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

template <typename T>
class BigEndian {
 public:
  BigEndian() = default;
  BigEndian(T value) { *this = value; }  // NOLINT(google-explicit-constructor)

  BigEndian& operator=(T value) {
    const T swapped = SwapBytes(value);
    std::memcpy(bytes_, &swapped, sizeof(T));
    return *this;
  }
  operator T() const {  // NOLINT(google-explicit-constructor)
    T value;
    std::memcpy(&value, bytes_, sizeof(T));
    return SwapBytes(value);
  }

 private:
  std::byte bytes_[sizeof(T)] = {};
};

using Be16 = BigEndian<uint16_t>;
using Be32 = BigEndian<uint32_t>;
using Be64 = BigEndian<uint64_t>;

// The on-disk struct at `offset` of `bytes`. Precondition: it lies within.
template <typename T>
T LoadStruct(std::span<const std::byte> bytes, size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return out;
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_ENDIAN_H_
