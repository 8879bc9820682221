// Whether a text is fit for a terminal.
#ifndef HOTCELL_TOOLS_FUZZERS_BOUNDARY_CLEAN_TEXT_H_
#define HOTCELL_TOOLS_FUZZERS_BOUNDARY_CLEAN_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {

// Without any control character, bidirectional override or invisible character that a terminal
// would act on, and UTF-8. Written apart from what it checks (broker/host/text.cc).
inline bool IsClean(std::string_view text, bool line_breaks = false) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const int size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return false;
    if (i + size > text.size()) return false;
    unsigned point = size == 1 ? first : first & (0x7f >> size);
    for (int k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next < 0x80 || next > 0xbf) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (size == 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) return false;
    if (size == 4 && (point < 0x10000 || point > 0x10ffff)) return false;
    const bool is_break = line_breaks && point == '\n';
    if ((point < 0x20 && !is_break) || (point >= 0x7f && point < 0xa0)) return false;
    if (point == 0x200e || point == 0x200f || point == 0x061c || point == 0xfeff ||
        (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069)) {
      return false;
    }
    i += size;
  }
  return true;
}

inline void CheckClean(std::string_view text, const std::string& what, bool line_breaks = false) {
  Check(IsClean(text, line_breaks), what + " is fit for a terminal", std::string(text));
}

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_BOUNDARY_CLEAN_TEXT_H_
