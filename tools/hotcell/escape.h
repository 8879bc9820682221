#ifndef HOTCELL_TOOLS_HOTCELL_ESCAPE_H_
#define HOTCELL_TOOLS_HOTCELL_ESCAPE_H_

#include <string>
#include <string_view>

namespace hotcell::cli {

// Makes bytes that may come from an image or a guest fit for a terminal and for one line: control
// characters (C0, DEL, C1), Unicode's line separators and direction overrides, and bytes that are
// not UTF-8 become \xNN, byte by byte. Everything else, backslashes included, stays; so escaping
// twice changes nothing.
std::string Escape(std::string_view bytes);

// As Escape(), but newlines, carriage returns and tabs stay: for a guest's console.
std::string EscapeConsole(std::string_view bytes);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_ESCAPE_H_
