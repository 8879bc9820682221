#include "guest/formats/common/output_options.h"

#include <algorithm>
#include <bit>
#include <charconv>

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

// Reads a number that is no size as QEMU's parser does: without a suffix, in the base that C has.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  text = SkipBlanksAndPlus(text);
  if (IsHexadecimal(text)) return ParseDigits(text.substr(2), 16);
  return ParseDigits(text, text.starts_with('0') ? 8 : 10);
}

// Reads the words that QEMU's parser takes for on and off; nullopt: the text is neither.
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

// A number, or 1 and 0 for on and off.
std::optional<uint64_t> ParseValue(OptionKind kind, std::string_view text) {
  if (kind == OptionKind::kSize) return ParseSize(text);
  if (kind == OptionKind::kNumber) return ParseNumber(text);
  return ParseBoolean(text);
}

bool IsIn(uint64_t value, const OptionRange& range) {
  if (value == 0 && range.or_zero) return true;
  if (range.power_of_two && !std::has_single_bit(value)) return false;
  return value >= range.minimum && value <= range.maximum;
}

// "a, b and c".
std::string Listed(std::span<const std::string_view> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    text += StrCat(i == 0 ? "" : i + 1 == words.size() ? " and " : ", ", words[i]);
  }
  return text;
}

// Why the value is none; empty: it is one.
std::string FaultOf(const OptionRow& row, std::string_view text) {
  switch (row.kind) {
    case OptionKind::kSize:
      return ParseSize(text) ? "" : " is not a size, such as 65536 or 64k";
    case OptionKind::kNumber:
      return ParseNumber(text) ? "" : " is not a number";
    case OptionKind::kOnOff:
      return ParseBoolean(text) ? "" : " is not one of on and off";
    case OptionKind::kChoice:
      return std::ranges::find(row.choices, text) != row.choices.end()
                 ? ""
                 : StrCat(" is not one of ", Listed(row.choices));
    case OptionKind::kText:
    case OptionKind::kRefused:
      break;
  }
  return "";
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

const OptionRow* OptionParser::Take(std::string_view key, OptionKind kind) {
  for (size_t i = 0; i < table_.rows.size(); ++i) {
    const OptionRow& row = table_.rows[i];
    if (row.key != key || row.kind != kind) continue;
    taken_[i] = true;
    return &row;
  }
  not_in_table_ = key;
  return nullptr;
}

uint64_t OptionParser::TakeNumber(std::string_view key, OptionKind kind) {
  const OptionRow* const row = Take(key, kind);
  return row == nullptr ? 0 : NumberOf(*row);
}

std::string_view OptionParser::TakeText(std::string_view key, OptionKind kind) {
  const OptionRow* const row = Take(key, kind);
  if (row == nullptr) return "";
  const std::optional<std::string_view> text = Find(key);
  return text && FaultOf(*row, *text).empty() ? *text : row->text;
}

uint64_t OptionParser::Size(std::string_view key) { return TakeNumber(key, OptionKind::kSize); }

uint64_t OptionParser::Number(std::string_view key) { return TakeNumber(key, OptionKind::kNumber); }

std::string_view OptionParser::Text(std::string_view key) {
  return TakeText(key, OptionKind::kText);
}

bool OptionParser::OnOff(std::string_view key) { return TakeNumber(key, OptionKind::kOnOff) != 0; }

std::string_view OptionParser::Choice(std::string_view key) {
  return TakeText(key, OptionKind::kChoice);
}

void OptionParser::Accept(std::string_view key) { (void)Take(key, OptionKind::kRefused); }

uint64_t OptionParser::NumberOf(const OptionRow& row) const {
  const std::optional<std::string_view> text = Find(row.key);
  return text ? ParseValue(row.kind, *text).value_or(row.number) : row.number;
}

std::optional<std::string_view> OptionParser::Find(std::string_view key) const {
  std::optional<std::string_view> found;
  for (const FormatOption& option : options_) {
    if (option.key == key) found = option.value;
  }
  return found;
}

bool OptionParser::IsKnown(std::string_view key) const {
  return std::ranges::any_of(table_.rows, [&](const OptionRow& row) { return row.key == key; });
}

Status OptionParser::CheckTaken() const {
  if (!not_in_table_.empty()) {
    return Unsupported(
        StrCat(table_.format, ": the table of options has no ", not_in_table_, " of this kind"));
  }
  for (size_t i = 0; i < table_.rows.size(); ++i) {
    const OptionRow& row = table_.rows[i];
    if (row.kind == OptionKind::kRefused || taken_[i]) continue;
    return Unsupported(StrCat(table_.format, ": nothing takes the option ", row.key));
  }
  return OkStatus();
}

Status OptionParser::CheckValue(size_t row_index) const {
  const OptionRow& row = table_.rows[row_index];
  if (row.kind == OptionKind::kRefused) {
    return taken_[row_index] ? OkStatus() : CheckRefused(row);
  }
  const std::optional<std::string_view> text = Find(row.key);
  if (!text) return OkStatus();
  const std::string fault = FaultOf(row, *text);
  if (fault.empty()) return OkStatus();
  return InvalidArgument(StrCat(table_.format, ": option ", row.key, "=", *text, fault));
}

Status OptionParser::CheckRefused(const OptionRow& row) const {
  const std::optional<std::string_view> text = Find(row.key);
  if (!text || (row.unless_off && ParseBoolean(*text) == false)) return OkStatus();
  return Unsupported(StrCat(table_.format, ": option ", row.key, ": ", row.reason));
}

Status OptionParser::CheckRange(const OptionRow& row) const {
  if (row.range.text.empty() || IsIn(NumberOf(row), row.range)) return OkStatus();
  return InvalidArgument(StrCat(table_.format, ": ", row.key, " must be ", row.range.text));
}

Status OptionParser::UnknownOption(std::string_view key) const {
  std::vector<std::string_view> known;
  for (size_t i = 0; i < table_.rows.size(); ++i) {
    if (taken_[i]) known.push_back(table_.rows[i].key);
  }
  return InvalidArgument(
      StrCat("unknown option '", key, "' for format ", table_.format, "; ",
             known.empty() ? "it has no options" : StrCat("it knows ", Listed(known))),
      Remedy::kSeeUsage);
}

Status OptionParser::Done() const {
  HOTCELL_RETURN_IF_ERROR(CheckTaken());
  for (size_t i = 0; i < table_.rows.size(); ++i) HOTCELL_RETURN_IF_ERROR(CheckValue(i));
  for (const FormatOption& option : options_) {
    if (!IsKnown(option.key) && !IsAboutTheFile(option)) return UnknownOption(option.key);
  }
  for (const OptionRow& row : table_.rows) HOTCELL_RETURN_IF_ERROR(CheckRange(row));
  return OkStatus();
}

}  // namespace hotcell::guest
