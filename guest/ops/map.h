// `map`: where the bytes of a disk are.
#ifndef HOTCELL_GUEST_OPS_MAP_H_
#define HOTCELL_GUEST_OPS_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct MapSummary {
  uint64_t records = 0;  // abi::MapRecord, written to the job's file
  std::vector<std::string> warnings;
};

// Writes a record for each run of the disk that is alike, in order and
// without gaps.
Result<MapSummary> Map(IoChannel& io, const MapJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_MAP_H_
