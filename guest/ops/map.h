// `map`: where the bytes of a disk are.
#ifndef HOTCELL_GUEST_OPS_MAP_H_
#define HOTCELL_GUEST_OPS_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

struct MapSummary {
  uint64_t records = 0;  // abi::MapRecord, written to the job's file
  std::vector<std::string> warnings;
};

// Runs job.operation.map: writes a record for each run of the disk that is alike, in order and
// without gaps. Precondition: job.which_operation is map.
Result<MapSummary> Map(IoChannel& io, const hotcell_v1_Job& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_MAP_H_
