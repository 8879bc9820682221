// UTF-8 from code points.
#ifndef HOTCELL_BASE_UTF8_H_
#define HOTCELL_BASE_UTF8_H_

#include <cstdint>
#include <string>

namespace hotcell {

// Appends the code point `point`, at most 0x10ffff, in one to four bytes. Surrogates are encoded as
// they are, which is not valid UTF-8: a caller who wants none replaces them before.
inline void AppendUtf8(std::string& out, uint32_t point) {
  // This many continuation bytes of 6 bits each follow the first byte.
  const int tail = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out.push_back(static_cast<char>(kLead[tail] | point >> (6 * tail)));
  for (int i = tail - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(0x80 | (point >> (6 * i) & 0x3f)));
  }
}

}  // namespace hotcell

#endif  // HOTCELL_BASE_UTF8_H_
