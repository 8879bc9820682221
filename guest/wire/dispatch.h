// From a serialized job to a serialized report: what the transcoder does.
#ifndef HOTCELL_GUEST_WIRE_DISPATCH_H_
#define HOTCELL_GUEST_WIRE_DISPATCH_H_

#include <cstddef>
#include <span>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/lanes.h"
#include "guest/wire/encode_report.h"

namespace hotcell::guest {

// Runs the job's operation on the lanes. `report_capacity` is the most that the broker takes of a
// report, bytes: one is due in the midst of a conversion that is to be judged.
JobOutcome ExecuteJob(Lanes& lanes, const Job& job, size_t report_capacity);

// Decodes a hotcell.v1.Job, executes it and serializes the hotcell.v1.Report into `report_area`.
// Returns the report's bytes; whatever went wrong is in the report. 0: the area has no room for any
// report.
size_t AnswerJob(Lanes& lanes, std::span<const std::byte> job, std::span<std::byte> report_area);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_WIRE_DISPATCH_H_
