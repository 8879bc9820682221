#include "tools/hotcell/common/escape.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "base/utf8.h"
#include "hotcell/text.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr size_t kMaxShown = 8192;

// A hexadecimal number that is all of `digits`.
bool ParseHex(std::string_view digits, uint32_t& value) {
  const char* end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, value, 16);
  return error == std::errc() && rest == end;
}

// Consumes one escape, backslash included; false: it is none.
bool TakeEscape(std::string_view& text, std::string& out) {
  constexpr std::string_view kLetters = "\\'nrt";
  constexpr std::string_view kMeanings = "\\'\n\r\t";
  if (text.size() < 2) return false;
  if (const size_t index = kLetters.find(text[1]); index != std::string_view::npos) {
    out += kMeanings[index];
    text.remove_prefix(2);
    return true;
  }
  uint32_t value = 0;
  if (text[1] == 'x' && text.size() >= 4 && ParseHex(text.substr(2, 2), value)) {
    out += static_cast<char>(value);
    text.remove_prefix(4);
    return true;
  }
  if (text[1] == 'u' && text.size() >= 5 && text[2] == '{') {
    const size_t close = text.find('}');
    if (close == std::string_view::npos || !ParseHex(text.substr(3, close - 3), value) ||
        value > 0x10ffff) {
      return false;
    }
    AppendUtf8(out, value);
    text.remove_prefix(close + 1);
    return true;
  }
  return false;
}

}  // namespace

std::string Escape(std::string_view bytes) { return hotcell::Escape(bytes, kMaxShown); }

std::string EscapeConsole(std::string_view bytes) {
  constexpr std::string_view kKept = "\n\r\t";
  std::string out;
  while (!bytes.empty()) {
    const size_t kept = bytes.find_first_of(kKept);
    const std::string_view part = bytes.substr(0, kept);
    out += hotcell::Escape(part, std::numeric_limits<size_t>::max());
    bytes.remove_prefix(part.size());
    if (!bytes.empty()) {
      out += bytes.front();
      bytes.remove_prefix(1);
    }
  }
  return out;
}

absl::StatusOr<std::string> Unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '\\') {
      out += text.front();
      text.remove_prefix(1);
    } else if (!TakeEscape(text, out)) {
      return absl::InvalidArgumentError(Cat(
          "'", Escape(text), "' does not begin with an escape: \\\\ \\' \\n \\r \\t \\xNN \\u{N}"));
    }
  }
  return out;
}

}  // namespace hotcell::cli
