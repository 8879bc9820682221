// The size of a raw file before it is made, for `hotcell measure`.
#ifndef HOTCELL_GUEST_FORMATS_RAW_MEASURE_H_
#define HOTCELL_GUEST_FORMATS_RAW_MEASURE_H_

#include "guest/formats/common/measure.h"

namespace hotcell::guest {

// The disk's size, whatever it holds.
Result<Measurement> MeasureRaw(MeasuredDisk& disk, const MeasureOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_MEASURE_H_
