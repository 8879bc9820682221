// What can be done about the library's errors (hotcell/remedy.h), in the words of this command: the
// one place that knows which option stands for which.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_REMEDIES_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_REMEDIES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "hotcell/remedy.h"

namespace hotcell::cli {

// "--limit virtual-size=SIZE"; empty: the library knows of nothing that can be done.
std::string RemedyText(const absl::Status& status);

// The message and that in one line, escaped: "the disk has 2048 bytes, more than the limit of 1024
// (--limit virtual-size=SIZE)".
std::string MessageWithRemedy(const absl::Status& status);
// The same of a message, not escaped, whose remedy is in `note`.
std::string AddRemedy(std::string_view message, const std::optional<RemedyNote>& note);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_REMEDIES_H_
