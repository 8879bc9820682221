#include "tools/hotcell/common/size.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

absl::Status NotASize(std::string_view text) {
  return absl::InvalidArgumentError(
      Cat("'", Escape(text),
          "' is not a size: give bytes, or a number with one of b, k, M, G, T, P, E"));
}

std::optional<int> ShiftOfSuffix(char suffix) {
  constexpr std::string_view kSuffixes = "bkmgtpe";
  const char lower = suffix >= 'A' && suffix <= 'Z' ? static_cast<char>(suffix + 32) : suffix;
  const size_t index = kSuffixes.find(lower);
  if (index == std::string_view::npos) return std::nullopt;
  return static_cast<int>(index) * 10;
}

}  // namespace

absl::StatusOr<uint64_t> ParseNumber(std::string_view text) {
  std::string_view digits = text;
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
    digits.remove_prefix(2);
    base = 16;
  }
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, value, base);
  if (error != std::errc() || rest != end) {
    return absl::InvalidArgumentError(Cat("'", Escape(text), "' is not a number from 0 to 2^64-1"));
  }
  return value;
}

namespace {

// What strtoull(3), with which qemu-img reads numbers, passes over before one.
std::string_view SkipBlanksAndPlus(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  return text;
}

absl::StatusOr<uint64_t> ParsePlainSize(std::string_view text) {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    const absl::StatusOr<uint64_t> value = ParseNumber(text);
    return value.ok() ? value : NotASize(text);
  }
  uint64_t whole = 0;
  const char* end = text.data() + text.size();
  const auto [after_whole, error] = std::from_chars(text.data(), end, whole, 10);
  if (error != std::errc()) return NotASize(text);

  const char* next = after_whole;
  double fraction = 0;
  if (next != end && *next == '.') {
    ++next;
    double scale = 0.1;
    for (; next != end && *next >= '0' && *next <= '9'; ++next, scale /= 10) {
      fraction += (*next - '0') * scale;
    }
  }

  int shift = 0;
  if (next != end) {
    const std::optional<int> suffix_shift = ShiftOfSuffix(*next);
    if (!suffix_shift.has_value() || next + 1 != end) return NotASize(text);
    shift = *suffix_shift;
  }
  if (fraction != 0 && shift == 0) return NotASize(text);  // there are no parts of bytes
  if (shift != 0 && (whole >> (64 - shift)) != 0) {
    return absl::OutOfRangeError(Cat("'", Escape(text), "' does not fit in 64 bits"));
  }
  const uint64_t unit = uint64_t{1} << shift;
  const auto part = static_cast<uint64_t>(std::llround(fraction * static_cast<double>(unit)));
  const uint64_t scaled = whole << shift;
  if (part > UINT64_MAX - scaled) {
    return absl::OutOfRangeError(Cat("'", Escape(text), "' does not fit in 64 bits"));
  }
  return scaled + part;
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  absl::StatusOr<uint64_t> size = ParsePlainSize(SkipBlanksAndPlus(text));
  if (size.ok() || !absl::IsInvalidArgument(size.status())) return size;
  return NotASize(text);
}

absl::StatusOr<uint64_t> ParseOptionNumber(std::string_view text) {
  const std::string_view digits = SkipBlanksAndPlus(text);
  uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  if (digits.size() > 1 && digits[0] == '0' && digits[1] != 'x' && digits[1] != 'X') {
    const auto [rest, error] = std::from_chars(digits.data(), end, value, 8);
    if (error == std::errc() && rest == end) return value;
  } else if (absl::StatusOr<uint64_t> number = ParseNumber(digits); number.ok()) {
    return number;
  }
  return absl::InvalidArgumentError(Cat("'", Escape(text), "' is not a number"));
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text, std::string_view what, uint64_t most) {
  absl::StatusOr<uint64_t> size = ParseSize(text);
  if (size.ok() && *size <= most) return size;
  const bool is_number = size.ok() || absl::IsOutOfRange(size.status());
  if (!ActsAsQemuImg()) {
    if (!is_number) return size;
    return absl::OutOfRangeError(
        Cat("'", Escape(text), "' is too large for the ", what, ": at most ", most));
  }
  if (is_number) {
    return absl::InvalidArgumentError(
        Cat("Invalid ", what, " specified. Must be between 0 and ", most, "."));
  }
  // Its second line is for invocation.h to add.
  return WithErrorId(
      absl::InvalidArgumentError(
          Cat("Invalid ", what, " specified. You may use k, M, G, T, P or E suffixes for")),
      ErrorId::kNotASize);
}

std::string FormatSize(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  // Steps up as soon as the number before the unit would need four digits: 1000 KiB is 0.977 MiB.
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < sizeof(kUnits) / sizeof(kUnits[0])) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%0.3g %s", value, kUnits[unit]);
}

}  // namespace hotcell::cli
