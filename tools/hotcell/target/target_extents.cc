#include "tools/hotcell/target/target_extents.h"

#include <algorithm>

#include "tools/hotcell/common/text.h"

namespace hotcell::cli {

std::optional<TargetExtents> TargetExtents::Of(const std::string& format, const Options& options,
                                               std::string target_path, Check check) {
  if (format != "vmdk") return std::nullopt;
  std::string_view subformat;
  for (const auto& [key, value] : options) {
    if (key == "subformat") subformat = value;  // the last of several counts
  }
  std::optional<Kind> kind;
  if (subformat == "monolithicFlat") kind = Kind::kFlat;
  if (subformat == "twoGbMaxExtentSparse") kind = Kind::kTwoGbSparse;
  if (subformat == "twoGbMaxExtentFlat") kind = Kind::kTwoGbFlat;
  if (!kind) return std::nullopt;
  return TargetExtents(*kind, std::move(target_path), std::move(check));
}

std::string TargetExtents::Path(uint32_t number) const {
  const size_t name = target_path_.rfind('/') + 1;
  const size_t dot = target_path_.rfind('.');
  const size_t end = dot == std::string::npos || dot < name ? target_path_.size() : dot;
  std::string suffix = "-flat";
  if (kind_ != Kind::kFlat) {
    const std::string digits = Cat(number + 1);
    suffix = Cat(kind_ == Kind::kTwoGbFlat ? "-f" : "-s",
                 std::string(3 - std::min<size_t>(digits.size(), 3), '0'), digits);
  }
  return Cat(target_path_.substr(0, end), suffix, target_path_.substr(end));
}

absl::StatusOr<ExtentFile> TargetExtents::Open(uint32_t number) {
  const std::string path = Path(number);
  if (absl::Status status = check_(path); !status.ok()) return status;
  absl::StatusOr<OutputFile> file = OutputFile::Create(path, OutputFile::Links::kRefuse);
  if (!file.ok()) return file.status();
  files_.push_back(*std::move(file));
  return ExtentFile{.fd = files_.back().fd(), .name = path, .replaces = files_.back().old_file()};
}

absl::Status TargetExtents::Commit(bool sync) {
  for (OutputFile& file : files_) {
    if (absl::Status status = file.Commit(sync); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace hotcell::cli
