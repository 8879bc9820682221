// `compare`: whether two images hold the same disk.
#ifndef HOTCELL_GUEST_OPS_COMPARE_H_
#define HOTCELL_GUEST_OPS_COMPARE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/lanes.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// What ends a comparison. Values are those of hotcell.v1.CompareResult.Outcome.
enum class CompareOutcome : uint8_t {
  kIdentical = 1,
  kContentMismatch = 2,
  kStatusMismatch = 3,
  kSizeMismatch = 4,
  kMapFailed = 5,
  kReadFailed = 6,
};

// The fields of hotcell.v1.CompareResult.
struct CompareSummary {
  CompareOutcome outcome = CompareOutcome::kIdentical;
  uint64_t offset = 0;  // bytes of virtual disk; of a mismatch or a failure
  uint64_t first_size = 0;
  uint64_t second_size = 0;
  std::string first_format;
  std::string second_format;
  Status failure;             // kMapFailed, kReadFailed
  uint32_t failed_image = 0;  // 1 or 2
  uint64_t bytes_read = 0;
  std::vector<std::string> warnings;
};

// Runs the job on all lanes. Finds the first sector that differs, or that cannot be
// read, whatever the number of lanes; where one disk is longer, the other reads as zeroes. An error
// means that one of the images could not be opened.
Result<CompareSummary> Compare(Lanes& lanes, const CompareJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_COMPARE_H_
