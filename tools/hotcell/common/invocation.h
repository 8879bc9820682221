// The name the program was called by. Through a link named `qemu-img` it speaks as that program
// does: its error lines, its version line, nothing on standard output that it does not print, and
// no warnings.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_INVOCATION_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_INVOCATION_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace hotcell::cli {

// Called once, with argv[0].
void SetInvokedAs(std::string_view path);
bool ActsAsQemuImg();

// An error in the words that qemu-img 7.2 has for it, escaped, where scripts look for them. May end
// in a second line, "Try 'qemu-img --help' for more information".
std::optional<std::string> QemuImgMessage(const absl::Status& status);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_INVOCATION_H_
