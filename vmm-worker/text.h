// Text for messages: StrCat(parts...) as in Abseil, with integers in decimal and Hex(n) as 0x....
// Abseil itself would be half of a program that is to start in a fraction of a millisecond.
#ifndef HOTCELL_VMM_WORKER_TEXT_H_
#define HOTCELL_VMM_WORKER_TEXT_H_

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace hotcell::worker {

struct Hex {
  explicit Hex(uint64_t n) : value(n) {}
  uint64_t value;
};

namespace internal {

inline void Append(std::string& out, std::string_view text) { out.append(text); }

inline void Append(std::string& out, Hex hex) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), hex.value, 16).ptr;
  out.append("0x").append(digits.begin(), end);
}

template <std::integral T>
void Append(std::string& out, T number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
  out.append(digits.begin(), end);
}

}  // namespace internal

template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  std::string out;
  (internal::Append(out, parts), ...);
  return out;
}

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_TEXT_H_
