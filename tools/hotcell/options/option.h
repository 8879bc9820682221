// An option as one row of a table: how it is spelled, what is written about it, what completes it
// and what it does. Parser, --help, manual and completions are made of these rows.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_OPTION_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_OPTION_H_

#include <array>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotcell::cli {

// What a shell offers for a value.
enum class Completion {
  kNone,
  kFile,
  kDirectory,
  kWords,          // Row::words
  kFormat,         // image formats that are read
  kFormats,        // the same, several with commas
  kTargetFormat,   // those that are written
  kTargetOptions,  // what -o takes for the format that the command line names
  kLimit,          // "memory=" and the others
  kLayers,         // of confinement, several with commas
};

struct Row {
  char letter = 0;  // 0: none
  // Without dashes, one of them or none: the name that is told, and another that is taken.
  std::array<const char*, 2> names = {};
  // "FORMAT"; empty: the option takes no value. Of a row that has a name only, help has "=DIR" as
  // it stands, right after the name.
  std::string_view value = "";
  // The text of --help, with its line breaks; one at its start puts all of it below the option.
  // Empty: --help does not speak of this row.
  std::string_view help = "";
  Completion completion = Completion::kNone;
  std::string_view words = "";  // with blanks between
  bool shows_name = false;      // in --help, beside the letter
  bool joined = false;          // in --help, before the next row, whose text is about both
};

// The options are those of a command, or of a group that several commands have.
template <typename Options>
struct Option {
  Row row;
  absl::Status (*apply)(std::string_view value, Options& options);
};

// A shared row with what one command says of it.
constexpr Row With(Row row, std::string_view help) {
  row.help = help;
  return row;
}

constexpr Row Joined(Row row) {
  row.joined = true;
  return row;
}

// Sets a flag: On<&Options::quiet>.
template <auto kFlag>
inline constexpr auto On = [](std::string_view, auto& options) {
  options.*kFlag = true;
  return absl::OkStatus();
};

// What was parsed, or why it could not be.
template <typename Value, typename Place>
absl::Status Assign(const absl::StatusOr<Value>& value, Place& place) {
  if (!value.ok()) return value.status();
  place = *value;
  return absl::OkStatus();
}

// What an option does that other programs have and that has no effect here.
inline constexpr auto kIgnore = [](std::string_view, auto&) { return absl::OkStatus(); };

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_OPTION_H_
