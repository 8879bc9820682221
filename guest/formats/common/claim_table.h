// Finds clusters of the disk that claim the same data. A few bytes that every cluster of the disk
// claims would otherwise unpack to terabytes.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_CLAIM_TABLE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_CLAIM_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

// Remembers, for as many places as it has room, which cluster claimed it. Thread-safe.
//
// Memory is fixed, so what it finds is certain and what it does not find is not: claims are missed
// once they spread over thousands of places, by when the file is large enough for its size to be
// no surprise.
class ClaimTable {
 public:
  // Notes that the cluster at `disk_offset` of the virtual disk has its data at `place` of the
  // file. Returns the disk offset of another cluster that claimed the same place before.
  std::optional<uint64_t> Claim(uint64_t place, uint64_t disk_offset);

 private:
  static constexpr size_t kSetBits = 12;

  struct Entry {
    uint64_t place = UINT64_MAX;  // all ones: empty
    uint64_t disk_offset = 0;
  };
  // The first place seen stays, so that claims in turns are found; the last one is kept beside it,
  // so that a table filled on purpose still finds claims in a row.
  struct Set {
    Entry first;
    Entry last;
  };

  Spinlock lock_;
  std::vector<Set> sets_;  // none before the first claim: describing an image needs none
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_CLAIM_TABLE_H_
