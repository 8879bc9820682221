// `hotcell check` as text and as JSON, field by field as qemu-img 7.2 prints them.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_CHECK_REPORT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_CHECK_REPORT_H_

#include <string>
#include <string_view>

#include "hotcell/image_info.h"

namespace hotcell::cli {

// Takes out what qemu-img does not look for in an image of this format, or counts without a word.
void KeepWhatQemuImgTells(CheckReport& report);

// What was found, a line each, escaped: for standard error.
std::string CheckFindings(const CheckReport& report);
// The summary, lines, each ended.
std::string CheckText(const CheckReport& report);
// No newline at the end.
std::string CheckJson(const CheckReport& report, std::string_view filename);
// The exit status that qemu-img has for it: 0 nothing is wrong, 1 it could not be checked, 2
// damaged, 3 space is lost, 63 the format has no check.
int CheckExitStatus(const CheckReport& report);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_CHECK_REPORT_H_
