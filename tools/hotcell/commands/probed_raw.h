// The warning of an image that is written to and whose format nobody named.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMANDS_PROBED_RAW_H_
#define HOTCELL_TOOLS_HOTCELL_COMMANDS_PROBED_RAW_H_

#include <string_view>

namespace hotcell::cli {

// Its format was found out to be raw, which whoever can write to its disk decides; qemu-img's words
// through its link.
void WarnOfProbedRaw(std::string_view command, std::string_view path);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMANDS_PROBED_RAW_H_
