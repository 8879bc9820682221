// The backing file that the user names for a new image: `-b`/`-B` and `-F`, or the options
// backing_file and backing_fmt of `-o`.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_TARGET_BACKING_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_TARGET_BACKING_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"

namespace hotcell::cli {

using TargetOptions = std::vector<std::pair<std::string, std::string>>;

struct TargetBacking {
  std::optional<std::string> name;
  std::optional<std::string> format;
};

// Adds "NAME=VALUE,..." to the options; "help" among them sets `help`.
absl::Status AddTargetOptions(std::string_view text, TargetOptions& options, bool& help);

// The last value of an option, which is removed from the list.
std::optional<std::string> TakeOption(TargetOptions& options, std::string_view key);

// Moves the options backing_file and backing_fmt to where -b and -F have not said otherwise, and
// checks that the output format has backing files, that none is named without its format, nor a
// format without a file.
absl::Status TakeBackingOptions(const std::string& target_format, TargetOptions& options,
                                TargetBacking& backing);

// The file that the target's backing image is in. A protocol that stands before its name is left
// out as by qemu-img, and the name is then looked for in the working directory.
std::string BackingPath(std::string_view target_path, std::string_view name);

// Asks a guest for the size of its disk. Precondition: name and format are there.
absl::StatusOr<BackingImage> DescribeBacking(const Engine& engine, const std::string& target_path,
                                             const TargetBacking& backing, JobOptions options);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_TARGET_BACKING_H_
