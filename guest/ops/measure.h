// `measure`: how large an image would be.
#ifndef HOTCELL_GUEST_OPS_MEASURE_H_
#define HOTCELL_GUEST_OPS_MEASURE_H_

#include <string>
#include <vector>

#include "guest/formats/common/measure.h"
#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct MeasureSummary {
  Measurement measurement;
  std::vector<std::string> warnings;
};

Result<MeasureSummary> Measure(IoChannel& io, const MeasureJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_MEASURE_H_
