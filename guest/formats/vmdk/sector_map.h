// Which sectors of a part of a file something claims.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_SECTOR_MAP_H_
#define HOTCELL_GUEST_FORMATS_VMDK_SECTOR_MAP_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/alignment.h"

namespace hotcell::guest::vmdk {

// A bit for each sector of [begin, begin + count). What lies outside of it is left out.
class SectorMap {
 public:
  SectorMap(uint64_t begin, uint64_t count)
      : begin_(begin), end_(begin + count), words_(DivideUp(count, 64)) {}

  // Claims the sectors [begin, begin + count). Returns false if one of them was claimed before.
  bool Claim(uint64_t begin, uint64_t count);

  // Calls found(begin, count) for every run of sectors that nothing claims, in order.
  template <typename Function>
  void ForEachFree(Function found) const {
    for (uint64_t sector = begin_; sector < end_;) {
      const uint64_t begin = sector;
      while (sector < end_ && !IsClaimed(sector)) sector = Next(sector, 0);
      sector = std::min(sector, end_);
      if (sector > begin) found(begin, sector - begin);
      while (sector < end_ && IsClaimed(sector)) sector = Next(sector, UINT64_MAX);
    }
  }

 private:
  // The sector after this one, or after the next 64 when their word says `alike` of all.
  uint64_t Next(uint64_t sector, uint64_t alike) const {
    const uint64_t bit = sector - begin_;
    return sector + (bit % 64 == 0 && words_[bit / 64] == alike ? 64 : 1);
  }
  bool IsClaimed(uint64_t sector) const {
    const uint64_t bit = sector - begin_;
    return (words_[bit / 64] >> bit % 64 & 1) != 0;
  }

  const uint64_t begin_;
  const uint64_t end_;
  std::vector<uint64_t> words_;
};

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_SECTOR_MAP_H_
