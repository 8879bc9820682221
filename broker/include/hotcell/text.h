// Makes bytes that come from an image or a guest safe to show.
#ifndef HOTCELL_TEXT_H_
#define HOTCELL_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace hotcell {

// Longest name and message shown, in bytes of the original.
inline constexpr size_t kMaxShownName = 256;
inline constexpr size_t kMaxShownMessage = 2048;

// `bytes` as one line of UTF-8 without control characters: those, bidirectional overrides and what
// is not UTF-8 become \n, \t, \xNN or \u{N}. Escaping twice changes nothing. Longer than
// `max_bytes`: cut, and the text says so.
std::string Escape(std::string_view bytes, size_t max_bytes = kMaxShownName);

// Escape() between single quotes; quotes and backslashes inside are escaped too.
std::string Quote(std::string_view bytes, size_t max_bytes = kMaxShownName);

}  // namespace hotcell

#endif  // HOTCELL_TEXT_H_
