// How `hotcell run` tells programs what came of the guest.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_RUN_JSON_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_RUN_JSON_H_

#include <string>
#include <string_view>

#include "hotcell/engine.h"
#include "tools/hotcell/options/run_options.h"

namespace hotcell::cli {

// {"run": {"reason", "description", "exit-status", "vcpu", ...}}, as hotcell(1) has it. What the
// guest sent to its serial port is in "serial-output", escaped. No newline at the end.
std::string RunJson(const RunOptions& options, const RunReply& reply,
                    std::string_view serial_output, int exit_status);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_RUN_JSON_H_
