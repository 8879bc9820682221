// What the administrator of a machine has set for all of hotcell's jobs there: the file that
// $HOTCELL_CONFIG names (empty: none), else /etc/hotcell/hotcell.conf where there is one. Its lines
// are options without their dashes, such as `follow-references=/var/lib/nova/instances`; a line
// that starts with '#' is a comment. They come before those of the command line, which therefore
// has the last word on limits and adds to what may be followed.
#ifndef HOTCELL_TOOLS_HOTCELL_CONFIG_H_
#define HOTCELL_TOOLS_HOTCELL_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace hotcell::cli {

// Which of the options a command has.
enum class ConfigScope {
  kNone,    // the file is not read
  kJobs,    // those that every command with a guest has
  kImages,  // also --backing and --follow-references
};

// The file's options as arguments ("--limit=virtual-size=1T"), those beyond the scope left out.
// Errors name the file and the line: an option that is unknown, a value that makes no sense, a file
// that $HOTCELL_CONFIG names and that cannot be read.
absl::StatusOr<std::vector<std::string>> ConfiguredArguments(ConfigScope scope);

// As above, of the file's text. `path` is for messages.
absl::StatusOr<std::vector<std::string>> ParseConfig(std::string_view text, std::string_view path,
                                                     ConfigScope scope);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_CONFIG_H_
