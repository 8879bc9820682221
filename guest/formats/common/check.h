// What a format's checker finds.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_CHECK_H_
#define HOTCELL_GUEST_FORMATS_COMMON_CHECK_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hotcell::guest {

struct CheckFinding {
  enum class Kind : uint8_t {
    kLeak,        // space is lost; the disk's contents are right
    kCorruption,  // the disk's contents are, or a later write could make them, wrong
    kCheckError,  // this part could not be checked
  };
  Kind kind = Kind::kCorruption;
  std::string text;  // one line: what and where
};

struct CheckResult {
  // How often each kind was found; `findings` keeps the first kMaxFindings of all.
  uint64_t leaks = 0;
  uint64_t corruptions = 0;
  uint64_t check_errors = 0;
  static constexpr size_t kMaxFindings = 1000;
  std::vector<CheckFinding> findings;

  // Absent where qemu-img has no such figure for the format.
  std::optional<uint64_t> image_end_offset;  // bytes
  // Clusters of the virtual disk; total 0: not counted.
  uint64_t total_clusters = 0;
  uint64_t allocated_clusters = 0;
  uint64_t compressed_clusters = 0;
  uint64_t fragmented_clusters = 0;
  // A log was replayed for the check and has to be by whoever opens the image: no damage of itself.
  bool needs_replay = false;
  // Entries that QEMU takes for no cluster and other programs for one: no damage, and no finding.
  uint64_t doubtful_entries = 0;

  // `text()` is called only while texts are kept, for findings of which there can be millions.
  template <std::invocable Text>
  void Add(CheckFinding::Kind kind, Text text) {
    switch (kind) {
      case CheckFinding::Kind::kLeak:
        ++leaks;
        break;
      case CheckFinding::Kind::kCorruption:
        ++corruptions;
        break;
      case CheckFinding::Kind::kCheckError:
        ++check_errors;
        break;
    }
    if (findings.size() < kMaxFindings) findings.push_back({kind, text()});
  }
  void Add(CheckFinding::Kind kind, std::string text) {
    Add(kind, [&] { return std::move(text); });
  }
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_CHECK_H_
