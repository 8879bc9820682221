// Finding zeroes in data.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_ZERO_DETECT_H_
#define HOTCELL_GUEST_OPS_PIPELINE_ZERO_DETECT_H_

#include <cstddef>
#include <span>

namespace hotcell::guest {

// Whether all bytes are zero. Data that is not is mostly found out by its first words. Uses the
// widest vectors that the processor has, and its system has enabled.
bool IsAllZero(std::span<const std::byte> data);

// One way to find out. For tests and measurements.
struct ZeroDetector {
  const char* name;
  bool (*is_all_zero)(std::span<const std::byte> data);
};

// The detectors that run on this processor, the last being IsAllZero()'s.
std::span<const ZeroDetector> ZeroDetectors();

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_ZERO_DETECT_H_
