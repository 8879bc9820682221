#include "guest/formats/common/claim_table.h"

#include <mutex>

namespace hotcell::guest {

std::optional<uint64_t> ClaimTable::Claim(uint64_t place, uint64_t disk_offset) {
  // Fibonacci hashing: places are mostly multiples of a cluster's size.
  constexpr uint64_t kGoldenRatio = 0x9e37'79b9'7f4a'7c15;
  const std::lock_guard lock(lock_);
  if (sets_.empty()) sets_.resize(size_t{1} << kSetBits);
  Set& set = sets_[place * kGoldenRatio >> (64 - kSetBits)];
  for (const Entry* const entry : {&set.first, &set.last}) {
    if (entry->place != place) continue;
    if (entry->disk_offset == disk_offset) return std::nullopt;
    return entry->disk_offset;
  }
  Entry& entry = set.first.place == UINT64_MAX ? set.first : set.last;
  entry = {.place = place, .disk_offset = disk_offset};
  return std::nullopt;
}

}  // namespace hotcell::guest
