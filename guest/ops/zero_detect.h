// Finding zeroes in data.
#ifndef HOTCELL_GUEST_OPS_ZERO_DETECT_H_
#define HOTCELL_GUEST_OPS_ZERO_DETECT_H_

#include <cstddef>
#include <span>

namespace hotcell::guest {

// Whether all bytes are zero. Data that is not is mostly found out by its first words.
bool IsAllZero(std::span<const std::byte> data);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_ZERO_DETECT_H_
