// Names that images of Microsoft's formats keep in UTF-16.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_UTF16_H_
#define HOTCELL_GUEST_FORMATS_COMMON_UTF16_H_

#include <bit>
#include <cstddef>
#include <span>
#include <string>

namespace hotcell::guest {

// UTF-8 of `text` up to its first NUL; U+FFFD stands for surrogates without their other half. An
// odd last byte is left out.
std::string Utf8FromUtf16(std::span<const std::byte> text, std::endian order);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_UTF16_H_
