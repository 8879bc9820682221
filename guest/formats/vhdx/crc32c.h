// CRC-32C (Castagnoli), RFC 3720 appendix B.4. Debian has no static library of it: Abseil's came
// later, libisal and libcrc32c are shared only.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_CRC32C_H_
#define HOTCELL_GUEST_FORMATS_VHDX_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace hotcell::guest::vhdx {

// The CRC-32C of `data` that follows the bytes whose CRC-32C is `crc`; 0 where nothing precedes it.
uint32_t Crc32c(std::span<const std::byte> data, uint32_t crc = 0);

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_CRC32C_H_
