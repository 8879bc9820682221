// From a serialized job to a serialized report: what the transcoder does.
#ifndef HOTCELL_GUEST_OPS_DISPATCH_H_
#define HOTCELL_GUEST_OPS_DISPATCH_H_

#include <cstddef>
#include <span>

#include "guest/runtime/common/lanes.h"

namespace hotcell::guest {

// Decodes a hotcell.v1.Job, runs its operation on the lanes and serializes the hotcell.v1.Report
// into `report_area`. Returns the report's bytes; whatever went wrong is in the report. 0: the area
// has no room for any report.
size_t RunJob(Lanes& lanes, std::span<const std::byte> job, std::span<std::byte> report_area);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_DISPATCH_H_
