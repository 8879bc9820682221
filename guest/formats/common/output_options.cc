#include "guest/formats/common/output_options.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kMaxSize = 1ull << 63;

// The power of two that a suffix stands for.
std::optional<uint32_t> SuffixShift(std::string_view suffix) {
  if (suffix.empty()) return 0;
  if (suffix.size() != 1) return std::nullopt;
  switch (suffix[0] | 0x20) {
    case 'b':
      return 0;
    case 'k':
      return 10;
    case 'm':
      return 20;
    case 'g':
      return 30;
    case 't':
      return 40;
    case 'p':
      return 50;
    case 'e':
      return 60;
    default:
      return std::nullopt;
  }
}

// Digits after the point, as a number of 1/2^shift, rounded down.
uint64_t Fraction(std::string_view digits, uint32_t shift) {
  uint64_t numerator = 0;
  uint64_t denominator = 1;
  for (const char digit : digits.substr(0, 6)) {
    numerator = numerator * 10 + static_cast<uint64_t>(digit - '0');
    denominator *= 10;
  }
  return (numerator << shift) / denominator;
}

// All of `digits`, below 2^63.
std::optional<uint64_t> ParseDigits(std::string_view digits, int base) {
  uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value, base);
  if (parsed.ec != std::errc() || parsed.ptr != end || value >= kMaxSize) return std::nullopt;
  return value;
}

bool IsHexadecimal(std::string_view text) {
  return text.starts_with("0x") || text.starts_with("0X");
}

// What strtoull(3), with which QEMU reads numbers, passes over before one.
std::string_view SkipBlanksAndPlus(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  return text;
}

// As QEMU's parser of what is a number and no size: without a suffix, in the base that C has.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  text = SkipBlanksAndPlus(text);
  if (IsHexadecimal(text)) return ParseDigits(text.substr(2), 16);
  return ParseDigits(text, text.starts_with('0') ? 8 : 10);
}

// As QEMU's parser; nullopt: neither.
std::optional<bool> ParseBoolean(std::string_view text) {
  if (text == "on" || text == "yes" || text == "true" || text == "y") return true;
  if (text == "off" || text == "no" || text == "false" || text == "n") return false;
  return std::nullopt;
}

// Options about the file that qemu-img takes for every format: as long as it asks for nothing, and
// a hint about which nobody is told whether it was followed.
bool IsAboutTheFile(const FormatOption& option) {
  if (option.key == "nocow") return ParseBoolean(option.value) == false;
  return option.key == "extent_size_hint" && ParseSize(option.value) <= UINT32_MAX &&
         ParseSize(option.value);
}

}  // namespace

std::optional<uint64_t> ParseSize(std::string_view text) {
  text = SkipBlanksAndPlus(text);
  // Without a suffix, whose letters are digits.
  if (IsHexadecimal(text)) return ParseDigits(text.substr(2), 16);
  uint64_t whole = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, whole);
  if (parsed.ec != std::errc()) return std::nullopt;
  std::string_view rest(parsed.ptr, static_cast<size_t>(end - parsed.ptr));
  std::string_view fraction;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    fraction = rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
    rest.remove_prefix(fraction.size());
  }
  const std::optional<uint32_t> shift = SuffixShift(rest);
  if (!shift) return std::nullopt;
  // There are no parts of bytes.
  if (*shift == 0 && fraction.find_first_not_of('0') != fraction.npos) return std::nullopt;
  if (whole >= kMaxSize >> *shift) return std::nullopt;
  return (whole << *shift) + Fraction(fraction, *shift);
}

std::optional<std::string_view> OptionParser::Find(std::string_view key) {
  known_.push_back(key);
  std::optional<std::string_view> found;
  for (const FormatOption& option : options_) {
    if (option.key == key) found = option.value;
  }
  return found;
}

void OptionParser::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void OptionParser::Size(std::string_view key, uint64_t* value) {
  const std::optional<std::string_view> text = Find(key);
  if (!text) return;
  if (const std::optional<uint64_t> size = ParseSize(*text)) {
    *value = *size;
  } else {
    Fail(InvalidArgument(
        StrCat(format_, ": option ", key, "=", *text, " is not a size, such as 65536 or 64k")));
  }
}

void OptionParser::Number(std::string_view key, uint64_t* value) {
  const std::optional<std::string_view> text = Find(key);
  if (!text) return;
  if (const std::optional<uint64_t> number = ParseNumber(*text)) {
    *value = *number;
  } else {
    Fail(InvalidArgument(StrCat(format_, ": option ", key, "=", *text, " is not a number")));
  }
}

void OptionParser::Text(std::string_view key, std::string_view* value) {
  if (const std::optional<std::string_view> text = Find(key)) *value = *text;
}

void OptionParser::OnOff(std::string_view key, bool* value) {
  const std::optional<std::string_view> text = Find(key);
  if (!text) return;
  if (const std::optional<bool> given = ParseBoolean(*text)) {
    *value = *given;
  } else {
    Fail(InvalidArgument(
        StrCat(format_, ": option ", key, "=", *text, " is not one of on and off")));
  }
}

void OptionParser::Choice(std::string_view key, std::span<const std::string_view> choices,
                          std::string_view* value) {
  const std::optional<std::string_view> text = Find(key);
  if (!text) return;
  if (std::find(choices.begin(), choices.end(), *text) != choices.end()) {
    *value = *text;
    return;
  }
  std::string message = StrCat(format_, ": option ", key, "=", *text, " is not one of ");
  for (size_t i = 0; i < choices.size(); ++i) {
    message += StrCat(i == 0 ? "" : i + 1 == choices.size() ? " and " : ", ", choices[i]);
  }
  Fail(InvalidArgument(std::move(message)));
}

void OptionParser::Refuse(std::string_view key, std::string_view reason) {
  refused_.push_back(key);
  for (const FormatOption& option : options_) {
    if (option.key == key) Fail(Unsupported(StrCat(format_, ": option ", key, ": ", reason)));
  }
}

void OptionParser::RefuseUnlessOff(std::string_view key, std::string_view reason) {
  const std::optional<std::string_view> text = Find(key);
  known_.pop_back();
  if (text && ParseBoolean(*text) == false) {
    refused_.push_back(key);
  } else {
    Refuse(key, reason);
  }
}

Status OptionParser::Done() {
  for (const FormatOption& option : options_) {
    const auto is_it = [&](std::string_view key) { return key == option.key; };
    if (std::any_of(known_.begin(), known_.end(), is_it)) continue;
    if (std::any_of(refused_.begin(), refused_.end(), is_it)) continue;
    if (IsAboutTheFile(option)) continue;
    std::string message =
        StrCat("unknown option '", option.key, "' for format ", format_, "; it knows ");
    for (size_t i = 0; i < known_.size(); ++i) {
      message += StrCat(i == 0 ? "" : i + 1 == known_.size() ? " and " : ", ", known_[i]);
    }
    Fail(InvalidArgument(std::move(message)));
  }
  return status_;
}

}  // namespace hotcell::guest
