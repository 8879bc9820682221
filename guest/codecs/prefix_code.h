// Prefix (Huffman) codes of deflate, RFC 1951 section 3.2.
#ifndef HOTCELL_GUEST_CODECS_PREFIX_CODE_H_
#define HOTCELL_GUEST_CODECS_PREFIX_CODE_H_

#include <cstdint>
#include <span>

namespace hotcell::guest {

// The most symbols that an alphabet of deflate has.
inline constexpr size_t kMaxSymbols = 288;
// The longest code of literals, lengths and distances, in bits.
inline constexpr int kMaxCodeLength = 15;

// Lengths in bits of a code for symbols that occur `frequencies[symbol]` times: as short as
// possible in all, save where a length would exceed `max_length`; 0 for symbols that do not occur.
// There are always two codes or more, as some readers refuse a code that leaves bits unassigned:
// symbols that do not occur get one where needed. 2^max_length must be at least the number of
// symbols.
void MakeCodeLengths(std::span<const uint32_t> frequencies, int max_length,
                     std::span<uint8_t> lengths);

// The canonical codes of those lengths, each with its first bit lowest, as deflate stores them.
void MakeCodes(std::span<const uint8_t> lengths, std::span<uint16_t> codes);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_PREFIX_CODE_H_
