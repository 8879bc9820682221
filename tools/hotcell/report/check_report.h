// `hotcell check` as text and as JSON, field by field as qemu-img 7.2 prints them.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_CHECK_REPORT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_CHECK_REPORT_H_

#include <string>
#include <string_view>

#include "protos/report.pb.h"

namespace hotcell::cli {

// What was found, a line each, escaped: for standard error.
std::string CheckFindings(const v1::CheckReport& report);
// The summary, lines, each ended.
std::string CheckText(const v1::CheckReport& report);
// No newline at the end.
std::string CheckJson(const v1::CheckReport& report, std::string_view filename);
// As qemu-img's: 0 nothing is wrong, 1 it could not be checked, 2 damaged, 3 space is lost, 63 the
// format has no check.
int CheckExitStatus(const v1::CheckReport& report);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_CHECK_REPORT_H_
