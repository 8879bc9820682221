// The worker's policy as people read it.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_POLICY_TEXT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_POLICY_TEXT_H_

#include <string>
#include <string_view>

namespace hotcell::cli {

// The description that this program was built with (policy/describe_policy.cc).
std::string_view PolicyDescription();

// Lines of at most 100 characters, each ended. Precondition: `description` is of that form.
std::string PolicyText(std::string_view description);
// The description, as the command indents JSON; no newline at the end.
std::string PolicyJson(std::string_view description);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_POLICY_TEXT_H_
