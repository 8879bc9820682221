// Text from parts. Debian's Abseil has a string_view type of its own, which absl::StrCat does not
// make from a std::string_view; here both are taken.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_TEXT_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_TEXT_H_

#include <concepts>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace hotcell::cli {

inline std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }
inline absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }

namespace internal {

inline void AppendPart(std::string& out, std::string_view part) { out.append(part); }
inline void AppendPart(std::string& out, char part) { out.push_back(part); }
template <std::integral T>
void AppendPart(std::string& out, T number) {
  out.append(std::to_string(number));
}

}  // namespace internal

// The parts in a row, integers in decimal.
template <typename... Parts>
std::string Cat(const Parts&... parts) {
  std::string out;
  (internal::AppendPart(out, parts), ...);
  return out;
}

template <typename... Parts>
void Append(std::string& out, const Parts&... parts) {
  (internal::AppendPart(out, parts), ...);
}

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_TEXT_H_
