// The command line of a command: getopt_long's rules, with errors as absl::Status.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_ARGUMENTS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_ARGUMENTS_H_

#include <getopt.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotcell::cli {

// Ids of options that have no letter start here.
inline constexpr int kFirstLongOption = 256;

struct OptionSpec {
  int id;            // the option's letter, or kFirstLongOption and up; several specs may share one
  const char* name;  // without dashes; nullptr: the letter only
  bool has_value;
};

// An option that qemu-img has and hotcell refuses, with the reason.
struct RefusedOption {
  const char* name;  // without dashes; one letter: a short option
  const char* reason;
};

// Called with each option in turn; an error ends the parsing.
using OptionHandler = std::function<absl::Status(int id, std::string_view value)>;

// Hands all options of argv[1..argc-1] to `handler` and returns the operands, which may stand
// before, between and after options. Errors: unknown option (with the nearest known one), missing
// or needless value. Long names are not abbreviated.
//
// Not reentrant: getopt_long keeps its state in globals.
absl::StatusOr<std::vector<std::string>> ParseArguments(int argc, char** argv,
                                                        std::span<const OptionSpec> options,
                                                        std::span<const RefusedOption> refused,
                                                        const OptionHandler& handler);

// Exactly `names.size()` operands, named in the error otherwise: "missing operand OUTPUT".
absl::Status CheckOperands(const std::vector<std::string>& operands,
                           std::span<const std::string_view> names);

// "k=v,k2=v2" with ",," for a comma in a value, as qemu-img's -o. A key without "=" has the value
// "on".
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseKeyValues(
    std::string_view text);

// A whole number of `what` between least and most.
absl::StatusOr<uint64_t> ParseCount(std::string_view text, std::string_view what, uint64_t least,
                                    uint64_t most);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_ARGUMENTS_H_
