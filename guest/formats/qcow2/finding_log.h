// Where the parts of the checker put what they find. All of it is counted, and only the first texts
// are kept, so that a hostile image cannot fill memory with findings.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_FINDING_LOG_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_FINDING_LOG_H_

#include <cstdint>

#include "guest/formats/common/check.h"

namespace hotcell::guest::qcow2 {

// Notes findings of which a damaged image can have billions.
class FindingLog {
 public:
  explicit FindingLog(CheckResult& result) : result_(result) {}

  // Adds one finding `times` times, at least 1. `text()` is called only while texts are kept.
  template <typename Text>
  void Add(CheckFinding::Kind kind, uint64_t times, Text text) {
    if (result_.findings.size() < CheckResult::kMaxFindings) {
      result_.findings.push_back({kind, text()});
    }
    switch (kind) {
      case CheckFinding::Kind::kLeak:
        result_.leaks += times;
        break;
      case CheckFinding::Kind::kCorruption:
        result_.corruptions += times;
        break;
      case CheckFinding::Kind::kCheckError:
        result_.check_errors += times;
        break;
    }
  }
  void CountDoubtfulEntry() { ++result_.doubtful_entries; }
  template <typename Text>
  void Corruption(uint64_t times, Text text) {
    Add(CheckFinding::Kind::kCorruption, times, text);
  }

 private:
  CheckResult& result_;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_FINDING_LOG_H_
