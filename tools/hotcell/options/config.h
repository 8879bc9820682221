// What the administrator of a machine has set for all of hotcell's jobs there, in
// /etc/hotcell/hotcell.conf. Its lines are options without their dashes, such as
// `follow-references=/var/lib/nova/instances`; a line that starts with '#' is a comment. They come
// before those of the command line, which adds to what may be followed and to the layers that are
// required, and may ask for less than a limit, but not for more: the file binds whoever starts
// hotcell there, unless it says `allow-override=yes`.
//
// $HOTCELL_CONFIG names a file to read in its place (empty: none). Limits and required layers of
// the machine's file hold all the same.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_CONFIG_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/hotcell/common/watch.h"
#include "tools/hotcell/options/limit_options.h"

namespace hotcell::cli {

// Which of the options a command has.
enum class ConfigScope {
  kNone,    // the file is not read
  kJobs,    // those that every command with a guest has
  kImages,  // also --backing and --follow-references
};

// One file.
struct Config {
  // Its options ("--limit=virtual-size=1T"), those beyond the scope left out.
  std::vector<std::string> arguments;
  // The arguments that no other file takes the place of: limits, required layers, and that files
  // must not change.
  std::vector<std::string> binding;
  LimitBounds bounds;
  bool allows_override = false;
};

// `path` is for messages. Errors name it and the line: an option that is unknown, a value that
// makes no sense or is more than the limits set before allow.
absl::StatusOr<Config> ParseConfig(std::string_view text, std::string_view path, ConfigScope scope);

// What the files say, as arguments. The machine's limits bind from then on (SetLimitBounds()).
// Errors: a file that is there, or that $HOTCELL_CONFIG names, and cannot be read or parsed.
// A file that does not answer ends the process, as `manner` has it.
absl::StatusOr<std::vector<std::string>> ConfiguredArguments(ConfigScope scope,
                                                             const ErrorManner& manner);

// The files that it reads, for messages; none: empty.
std::vector<std::string> ConfigFiles();

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_CONFIG_H_
