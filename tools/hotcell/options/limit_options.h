// --limit NAME=VALUE and its short forms, and what the machine's configuration lets nobody exceed.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_LIMIT_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_LIMIT_OPTIONS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotcell/limits.h"

namespace hotcell::cli {

// The limits that a file sets, each with its place there ("/etc/hotcell/hotcell.conf:3").
struct LimitBounds {
  Limits limits;
  std::map<std::string, std::string, std::less<>> places;  // by the limit's name
};

// From now on an option that asks for more than `bounds` is an error that names the place. For the
// whole process, as the machine's file is.
void SetLimitBounds(LimitBounds bounds);

// NAME=VALUE, with the names of struct Limits. Returns the name, with dashes.
absl::StatusOr<std::string> SetLimit(std::string_view text, Limits& limits);
// One limit by its name.
absl::Status SetLimit(std::string_view name, std::string_view value, Limits& limits);

// The names of all limits, as --limit has them.
std::vector<std::string_view> LimitNames();

// Seconds, with a fraction if you like; more than 0.
absl::StatusOr<absl::Duration> ParseSeconds(std::string_view text);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_LIMIT_OPTIONS_H_
