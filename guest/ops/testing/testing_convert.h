// Conversions of files in a test's directory.
#ifndef HOTCELL_GUEST_OPS_TESTING_TESTING_CONVERT_H_
#define HOTCELL_GUEST_OPS_TESTING_TESTING_CONVERT_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "guest/ops/convert.h"
#include "guest/runtime/native/native_lanes.h"

namespace hotcell::guest {

// What a test says of a conversion; paths are the host's.
struct TestConversion {
  std::string source;  // empty: a disk of `size` bytes that holds nothing
  std::vector<std::string> more_sources = {};
  uint64_t size = 0;
  std::optional<DiskWindow> window = {};
  std::string source_format = {};
  std::string target;
  std::string target_format = "raw";
  std::vector<FormatOption> options = {};
  bool compress = false;
  bool target_exists = false;
  bool target_is_zero = false;
  std::optional<BackingImage> backing = {};
  bool copy_offload = false;
  uint64_t sparse_size = 4096;
  std::optional<std::string> snapshot = {};
  uint64_t max_virtual_size = 64ull << 40;
  uint32_t lanes = 1;
  size_t buffer_count = 8;
  size_t buffer_size = 2 << 20;
  NativeFiles::FaultHook fault = nullptr;
  NativeFiles::ReferenceOpener references = nullptr;
  // The path of each further file of the target; null: there may be none.
  std::function<std::string(uint32_t number)> extents = nullptr;
};

// Makes the target empty unless it is `existing`, and checks that progress came to its end.
Result<ConvertSummary> RunConversion(const TestConversion& conversion);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_TESTING_TESTING_CONVERT_H_
