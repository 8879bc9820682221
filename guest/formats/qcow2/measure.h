// The size of a qcow2 file before it is made, for `hotcell measure`.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_MEASURE_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_MEASURE_H_

#include "guest/formats/common/measure.h"

namespace hotcell::guest {

// Counts as qemu-img does: the metadata of an image that is full, even where it is not.
Result<Measurement> MeasureQcow2(MeasuredDisk& disk, const MeasureOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_MEASURE_H_
