// What `-o` takes for a format, as its options.toml has it. The build makes the header
// formats_generated/NAME_options.h of that file (format_options.py), with `kOptions` in the
// format's namespace.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_OPTION_TABLE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_OPTION_TABLE_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace hotcell::guest {

enum class OptionKind : uint8_t { kSize, kNumber, kOnOff, kChoice, kText, kRefused };

// Of a size or number, both ends included.
struct OptionRange {
  uint64_t minimum = 0;
  uint64_t maximum = UINT64_MAX;
  bool power_of_two = false;
  bool or_zero = false;
  std::string_view text;  // what the value must be, for an error
};

struct OptionRow {
  std::string_view key;
  OptionKind kind = OptionKind::kRefused;
  // What an option that is not given means: as it is typed, and of a size, a number or on (1) and
  // off (0) as a number.
  std::string_view text;
  uint64_t number = 0;
  std::span<const std::string_view> choices;  // of kChoice
  OptionRange range;                          // of kSize and kNumber
  std::string_view reason;                    // of kRefused
  bool unless_off = false;                    // of kRefused: it may be given as long as it says no
};

struct OptionTable {
  std::string_view format;  // its name, for messages
  std::span<const OptionRow> rows;

  // For static assertions: what a file may hold, and what an option may ask for, are the same
  // limit.
  constexpr OptionRange RangeOf(std::string_view key) const {
    for (const OptionRow& row : rows) {
      if (row.key == key) return row.range;
    }
    return {};
  }
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_OPTION_TABLE_H_
