// The files beside the target of a VMDK that keeps its data in files of their own.
#ifndef HOTCELL_TOOLS_HOTCELL_TARGET_TARGET_EXTENTS_H_
#define HOTCELL_TOOLS_HOTCELL_TARGET_TARGET_EXTENTS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"
#include "hotcell/output_file.h"

namespace hotcell::cli {

class TargetExtents {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;
  using Check = std::function<absl::Status(const std::string& path)>;

  // The files beside the target, if the format and its -o subformat say that there are such:
  // nothing is asked of the image. `check` may refuse to have an existing file replaced.
  static std::optional<TargetExtents> Of(const std::string& format, const Options& options,
                                         std::string target_path, Check check);

  // "disk.vmdk" and 0: "disk-flat.vmdk", "disk-s001.vmdk" or "disk-f001.vmdk", as in the
  // descriptor.
  std::string Path(uint32_t number) const;

  // Makes a file for ConvertRequest::open_extent_file. The file has no name before Commit().
  absl::StatusOr<ExtentFile> Open(uint32_t number);

  // Gives all files their names, in order. When that fails, those before keep theirs.
  absl::Status Commit(bool sync);

 private:
  enum class Kind : uint8_t { kFlat, kTwoGbSparse, kTwoGbFlat };

  TargetExtents(Kind kind, std::string target_path, Check check)
      : kind_(kind), target_path_(std::move(target_path)), check_(std::move(check)) {}

  Kind kind_;
  std::string target_path_;
  Check check_;
  std::vector<OutputFile> files_;
};

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TARGET_TARGET_EXTENTS_H_
