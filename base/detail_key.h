// What the keys of a format's details look like: "compression-type", as QEMU's QAPI spells them.
// The guest is compiled with such keys only, and the broker takes no others from it.
#ifndef HOTCELL_BASE_DETAIL_KEY_H_
#define HOTCELL_BASE_DETAIL_KEY_H_

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace hotcell {

inline constexpr size_t kMaxDetailKey = 32;  // bytes

constexpr bool IsDetailKey(std::string_view key) {
  return !key.empty() && key.size() <= kMaxDetailKey && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace hotcell

#endif  // HOTCELL_BASE_DETAIL_KEY_H_
