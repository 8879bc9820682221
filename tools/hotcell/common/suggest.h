// "Did you mean" for names that do not exist, of commands, options, formats, limits and layers.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_SUGGEST_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_SUGGEST_H_

#include <optional>
#include <span>
#include <string_view>

namespace hotcell::cli {

// The name that `typed` was most likely meant to be: the fewest letters changed, missing, added or
// swapped, and no more than a third of the word. The first of equals. Nothing when all are further.
std::optional<std::string_view> Nearest(std::string_view typed,
                                        std::span<const std::string_view> names);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_SUGGEST_H_
