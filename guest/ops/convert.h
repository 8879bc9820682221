// `convert`: one disk image becomes another.
#ifndef HOTCELL_GUEST_OPS_CONVERT_H_
#define HOTCELL_GUEST_OPS_CONVERT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/lanes.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// What a finished conversion did: the fields of hotcell.v1.ConvertResult, and warnings for Report.
struct ConvertSummary {
  uint64_t virtual_size = 0;  // bytes
  std::string source_format;
  uint64_t bytes_read = 0;     // of guest data, from all files; metadata is not counted
  uint64_t bytes_written = 0;  // of guest data, as stored
  uint64_t zero_bytes = 0;     // of the virtual disk, known or found to be zero
  std::vector<std::string> warnings;
};

// Runs the job on all lanes. The same source gives the same bytes for any number of lanes. Asks
// nobody: ConvertJob::inspect is its caller's to do before.
Result<ConvertSummary> Convert(Lanes& lanes, const ConvertJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_CONVERT_H_
