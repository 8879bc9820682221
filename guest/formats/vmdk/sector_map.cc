#include "guest/formats/vmdk/sector_map.h"

#include <algorithm>

namespace hotcell::guest::vmdk {

bool SectorMap::Claim(uint64_t begin, uint64_t count) {
  uint64_t bit = std::clamp(begin, begin_, end_) - begin_;
  const uint64_t end = std::clamp(begin + count, begin_, end_) - begin_;
  bool free = true;
  while (bit < end) {
    const uint64_t in_word = bit % 64;
    const uint64_t bits = std::min(64 - in_word, end - bit);
    const uint64_t mask = (bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1) << in_word;
    uint64_t& word = words_[bit / 64];
    free &= (word & mask) == 0;
    word |= mask;
    bit += bits;
  }
  return free;
}

}  // namespace hotcell::guest::vmdk
