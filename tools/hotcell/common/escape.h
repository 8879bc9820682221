// Bytes that come from an image, a guest or a file name, made fit for a terminal.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_ESCAPE_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_ESCAPE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hotcell::cli {

// hotcell::Escape() with room for the longest name an image format can hold.
std::string Escape(std::string_view bytes);

// Escapes bytes of any length as Escape() does, but line breaks and tabs stay: for a guest's
// console.
std::string EscapeConsole(std::string_view bytes);

// Reads what hotcell::Escape() and Quote() write, so that a name in an error message can be pasted
// into an option: \\ \' \n \r \t \xNN \u{N}. Errors: another character after a backslash.
absl::StatusOr<std::string> Unescape(std::string_view text);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_ESCAPE_H_
