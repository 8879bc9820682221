// The name the program was called by. Through a link named `qemu-img` it speaks as that program
// does: its error lines, its version line, nothing on standard output that it does not print, and
// no warnings.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_INVOCATION_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_INVOCATION_H_

#include <string>
#include <string_view>

namespace hotcell::cli {

// Called once, with argv[0].
void SetInvokedAs(std::string_view path);
bool ActsAsQemuImg();

// A message of ours in the words that qemu-img 7.2 has for it, where scripts look for them; others
// stay as they are. May end in a second line, "Try 'qemu-img --help' for more information".
std::string QemuImgMessage(std::string_view message);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_INVOCATION_H_
