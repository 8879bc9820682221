// `resize`: another size for the disk of an image.
#ifndef HOTCELL_GUEST_OPS_RESIZE_H_
#define HOTCELL_GUEST_OPS_RESIZE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct ResizeSummary {
  // Values are those of hotcell.v1.ResizeResult.Outcome.
  enum class Outcome : uint8_t {
    kResized = 1,
    kNotPositive = 2,
    kNotGrowing = 3,
    kShrinking = 4,
    kUnsupported = 5,
  };
  Outcome outcome = Outcome::kResized;
  std::string format;
  uint64_t old_size = 0;  // bytes of virtual disk
  uint64_t new_size = 0;
  std::vector<std::string> warnings;
};

// An outcome other than kResized means that nothing was written. Whenever it is stopped, the image
// has its old size or the new one.
Result<ResizeSummary> Resize(IoChannel& io, const ResizeJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_RESIZE_H_
