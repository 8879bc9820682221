// `check`: what is wrong with an image.
#ifndef HOTCELL_GUEST_OPS_CHECK_H_
#define HOTCELL_GUEST_OPS_CHECK_H_

#include <optional>
#include <string>
#include <vector>

#include "guest/formats/common/check.h"
#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct CheckSummary {
  std::string format;
  std::optional<CheckResult> result;  // nullopt: the format has no check
  std::vector<std::string> warnings;
};

// Checks one image; opens no file that it refers to. An error means that the image could not be
// opened or not be checked.
Result<CheckSummary> Check(IoChannel& io, const CheckJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_CHECK_H_
