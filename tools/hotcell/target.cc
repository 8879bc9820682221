#include "tools/hotcell/target.h"

#include <sys/stat.h>

#include <utility>

#include "tools/hotcell/text.h"

namespace hotcell::cli {

absl::StatusOr<Target> Target::Open(const std::string& path, bool existing) {
  struct stat info = {};
  // Whether there is something under the path that cannot be seen is for Create() to find out.
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(Cat("cannot write to '", path, "': it is a directory"));
  }
  Target target;
  target.path_ = path;
  target.existing_ = existing;
  if (existing || (exists && S_ISBLK(info.st_mode))) {
    absl::StatusOr<File> file = OpenInPlace(path);
    if (!file.ok()) return file.status();
    target.in_place_ = *std::move(file);
    return target;
  }
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  target.fresh_ = *std::move(file);
  return target;
}

std::optional<FileIdentity> Target::replaces() const {
  return in_place_.has_value() ? std::nullopt : fresh_->old_file();
}

ExtentOpener Target::OpenExtents(const std::string& format, const TargetExtents::Options& options,
                                 TargetExtents::Check check) {
  extents_ = TargetExtents::Of(format, options, path_, std::move(check));
  if (!extents_) return nullptr;
  if (in_place_.has_value() && in_place_->is_block_device()) {
    return [path = path_](uint32_t) {
      return absl::InvalidArgumentError(
          Cat("an image of several files cannot be written to the device '", path, "'"));
    };
  }
  return [this](uint32_t number) { return extents_->Open(number); };
}

absl::Status Target::Commit(bool sync) {
  if (extents_) {
    if (absl::Status status = extents_->Commit(sync); !status.ok()) return status;
  }
  return in_place_.has_value() ? absl::OkStatus() : fresh_->Commit(sync);
}

absl::Status CheckTargetIsNoSource(const std::string& target_path, const std::string& source_path,
                                   const File& source) {
  struct stat target = {};
  if (stat(target_path.c_str(), &target) != 0 || !IsSameFile(source.info(), target)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      Cat("'", source_path, "' and '", target_path, "' are the same file"));
}

absl::Status CheckTargetIsNoReference(const std::string& target_path,
                                      const ReferencePolicy& references) {
  struct stat target = {};
  if (stat(target_path.c_str(), &target) != 0) return absl::OkStatus();
  for (const auto& [name, path] : references.mappings()) {
    struct stat backing = {};
    if (stat(path.c_str(), &backing) == 0 && IsSameFile(backing, target)) {
      return absl::InvalidArgumentError(
          Cat("'", target_path, "' is the file given for '", name, "' by --backing"));
    }
  }
  return absl::OkStatus();
}

}  // namespace hotcell::cli
