// Turns a fuzzer's bytes into values, front to back, so that a byte changed in the middle of an
// input changes one value and leaves those before it alone. Past the end all values are zero.
#ifndef HOTCELL_TOOLS_FUZZERS_BOUNDARY_BYTE_SOURCE_H_
#define HOTCELL_TOOLS_FUZZERS_BOUNDARY_BYTE_SOURCE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>
#include <type_traits>

namespace hotcell::fuzz {

class ByteSource {
 public:
  ByteSource(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }

  template <typename T>
  T Take() {
    static_assert(std::is_integral_v<T>);
    const std::string_view bytes = TakeBytes(sizeof(T));
    T value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  // 0 to `count` - 1, from one byte. Precondition: `count` is 1 to 256.
  uint32_t Choose(uint32_t count) { return Take<uint8_t>() % count; }

  // At most `size` bytes; fewer at the end.
  std::string_view TakeBytes(size_t size) {
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  std::string_view TakeRest() { return TakeBytes(rest_.size()); }

  template <typename Table>
  auto Pick(const Table& table) -> decltype(*std::begin(table)) {
    return *std::next(std::begin(table), Choose(static_cast<uint32_t>(std::size(table))));
  }

  // A small number, one around those of `edges`, where something begins or ends, or any.
  template <typename Table>
  uint64_t TakeNear(const Table& edges) {
    switch (Choose(4)) {
      case 0:
        return Take<uint8_t>();
      case 1:
        return Take<uint16_t>();
      case 2:
        return Pick(edges) + static_cast<uint64_t>(int64_t{Take<int8_t>()});
      default:
        return Take<uint64_t>();
    }
  }

 private:
  std::string_view rest_;
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_BOUNDARY_BYTE_SOURCE_H_
