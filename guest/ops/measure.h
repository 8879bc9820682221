// `measure`: how large an image would be.
#ifndef HOTCELL_GUEST_OPS_MEASURE_H_
#define HOTCELL_GUEST_OPS_MEASURE_H_

#include <string>
#include <vector>

#include "guest/formats/common/measure.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

struct MeasureSummary {
  Measurement measurement;
  std::vector<std::string> warnings;
};

// Runs job.operation.measure. Precondition: job.which_operation is measure.
Result<MeasureSummary> Measure(IoChannel& io, const hotcell_v1_Job& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_MEASURE_H_
