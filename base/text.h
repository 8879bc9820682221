// Text for messages: StrCat(parts...) as in Abseil, with integers in decimal and Hex(n) as 0x....
// The guest has no Abseil, and Abseil would be half of a worker that is to start in a fraction of a
// millisecond.
#ifndef HOTCELL_BASE_TEXT_H_
#define HOTCELL_BASE_TEXT_H_

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace hotcell {

struct Hex {
  explicit Hex(uint64_t n) : value(n) {}
  uint64_t value;
};

namespace text_internal {

inline void Append(std::string& out, std::string_view text) { out.append(text); }

inline void Append(std::string& out, Hex hex) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), hex.value, 16).ptr;
  out.append("0x").append(digits, end);
}

template <std::integral T>
void Append(std::string& out, T number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  out.append(digits, end);
}

}  // namespace text_internal

template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  std::string out;
  (text_internal::Append(out, parts), ...);
  return out;
}

}  // namespace hotcell

#endif  // HOTCELL_BASE_TEXT_H_
