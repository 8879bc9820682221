#include "tools/hotcell/escape.h"

#include <cstddef>
#include <cstdint>

namespace hotcell::cli {
namespace {

struct Character {
  uint32_t code_point;
  size_t length;  // bytes; 0: not UTF-8
};

// Decodes the first character: shortest form only, no surrogates, nothing beyond U+10FFFF.
Character Decode(std::string_view bytes) {
  constexpr Character kInvalid = {0, 0};
  const auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(bytes[i]); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t length = 0;
  uint32_t code_point = 0;
  uint32_t least = 0;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
    code_point = first & 0x1f;
    least = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    code_point = first & 0x0f;
    least = 0x800;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    code_point = first & 0x07;
    least = 0x10000;
  } else {
    return kInvalid;
  }
  if (bytes.size() < length) return kInvalid;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kInvalid;
    code_point = (code_point << 6) | (byte(i) & 0x3f);
  }
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < least || code_point > 0x10ffff || surrogate) return kInvalid;
  return {code_point, length};
}

// Characters that move the cursor, end the line, or reorder the text around them.
bool IsUnsafe(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

std::string EscapeExcept(std::string_view bytes, std::string_view kept) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character character = Decode(bytes);
    const size_t length = character.length == 0 ? 1 : character.length;
    const std::string_view raw = bytes.substr(0, length);
    bytes.remove_prefix(length);
    const bool printable = character.length != 0 && !IsUnsafe(character.code_point);
    if (printable || kept.find(raw) != std::string_view::npos) {
      out += raw;
      continue;
    }
    for (const char c : raw) {
      const auto value = static_cast<unsigned char>(c);
      out += "\\x";
      out += kDigits[value >> 4];
      out += kDigits[value & 0xf];
    }
  }
  return out;
}

}  // namespace

std::string Escape(std::string_view bytes) { return EscapeExcept(bytes, ""); }

std::string EscapeConsole(std::string_view bytes) { return EscapeExcept(bytes, "\n\r\t"); }

}  // namespace hotcell::cli
