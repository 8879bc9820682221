// Apple Data Compression, of old disk images.
#ifndef HOTCELL_GUEST_CODECS_ADC_H_
#define HOTCELL_GUEST_CODECS_ADC_H_

#include <cstddef>
#include <span>

#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Unpacks the start of `stream` into exactly `out`. kCorruptImage when the stream ends early, goes
// on within a run past the end of `out`, or refers to what is before its start.
Status UnpackAdc(std::span<const std::byte> stream, std::span<std::byte> out);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_ADC_H_
