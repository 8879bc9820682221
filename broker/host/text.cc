#include "hotcell/text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hotcell {
namespace {

struct Decoded {
  uint32_t code_point = 0;
  size_t size = 0;  // bytes; 0: not UTF-8
};

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
Decoded DecodeUtf8(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t first = at(0);
  if (first < 0x80) return {first, 1};
  size_t size = 0;
  uint32_t code_point = 0;
  uint32_t smallest = 0;
  if ((first & 0xe0) == 0xc0) {
    size = 2, code_point = first & 0x1f, smallest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    size = 3, code_point = first & 0x0f, smallest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    size = 4, code_point = first & 0x07, smallest = 0x10000;
  } else {
    return {};
  }
  if (bytes.size() < size) return {};
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    code_point = code_point << 6 | (at(i) & 0x3f);
  }
  if (code_point < smallest || code_point > 0x10ffff) return {};
  if (code_point >= 0xd800 && code_point <= 0xdfff) return {};
  return {code_point, size};
}

// Characters that move the cursor, reorder the line or cannot be seen.
bool IsUnsafe(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
         (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
         (c >= 0xe0000 && c <= 0xe0fff);
}

void AppendEscaped(std::string& out, std::string_view bytes, bool quotes) {
  while (!bytes.empty()) {
    const Decoded decoded = DecodeUtf8(bytes);
    const char first = bytes.front();
    if (decoded.size == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(first));
      bytes.remove_prefix(1);
      continue;
    }
    if (first == '\n') {
      out += "\\n";
    } else if (first == '\t') {
      out += "\\t";
    } else if (first == '\r') {
      out += "\\r";
    } else if (quotes && (first == '\\' || first == '\'')) {
      out += '\\';
      out += first;
    } else if (IsUnsafe(decoded.code_point)) {
      if (decoded.size == 1) {
        absl::StrAppendFormat(&out, "\\x%02x", decoded.code_point);
      } else {
        absl::StrAppendFormat(&out, "\\u{%x}", decoded.code_point);
      }
    } else {
      out += bytes.substr(0, decoded.size);
    }
    bytes.remove_prefix(decoded.size);
  }
}

std::string EscapeCut(std::string_view bytes, size_t max_bytes, bool quotes) {
  std::string out;
  std::string_view shown = bytes.substr(0, max_bytes);
  // A cut in the middle of a character would show its first bytes as invalid.
  for (int i = 0; i < 3 && shown.size() < bytes.size() && !shown.empty() &&
                  (static_cast<uint8_t>(bytes[shown.size()]) & 0xc0) == 0x80;
       ++i) {
    shown.remove_suffix(1);
  }
  AppendEscaped(out, shown, quotes);
  if (quotes) out = absl::StrCat("'", out, "'");
  if (shown.size() < bytes.size()) absl::StrAppend(&out, "... (", bytes.size(), " bytes)");
  return out;
}

}  // namespace

std::string Escape(std::string_view bytes, size_t max_bytes) {
  return EscapeCut(bytes, max_bytes, /*quotes=*/false);
}

std::string Quote(std::string_view bytes, size_t max_bytes) {
  return EscapeCut(bytes, max_bytes, /*quotes=*/true);
}

}  // namespace hotcell
