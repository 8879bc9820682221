// How a guest of `hotcell run` ended, in words and as an exit status.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_RUN_REPORT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_RUN_REPORT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "hotcell/guest_end.h"

namespace hotcell::cli {

// The exit status of `hotcell run` (exit_codes.h). Codes over 255 count as 255.
int RunExitStatus(const GuestEnd& end);
// The exit status where the engine could not tell how the guest ended.
int RunExitStatus(const absl::Status& status);

// Whether the guest ended of its own accord: through the exit port or with HLT.
bool EndedByItself(const GuestEnd& end);

// One line, escaped: "the guest halted (HLT)", "triple fault at RIP 0x1009: ...".
std::string DescribeEnd(const GuestEnd& end);

// Lines, each ended.
std::string RegistersText(const Registers& registers);
std::string DirtyPagesText(const GuestEnd& end);
// The page's rows, without the blanks at their ends; escaped.
std::string VgaText(std::string_view characters);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_RUN_REPORT_H_
