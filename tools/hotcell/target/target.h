// The file that a command writes an image to.
#ifndef HOTCELL_TOOLS_HOTCELL_TARGET_TARGET_H_
#define HOTCELL_TOOLS_HOTCELL_TARGET_TARGET_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/output_file.h"
#include "hotcell/references.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/target/target_extents.h"

namespace hotcell::cli {

// What a target is to become.
struct TargetUse {
  std::string format;     // of the image that is written
  bool existing = false;  // the file exists, is raw, and is written as it is
  std::string making;     // as LockForMaking() has it
};

// A file that appears when it is complete, one that is there already, or a pipe, into which the
// image goes when it is complete: images are written in any order, so until then it is in a file
// without a name in $TMPDIR.
class Target {
 public:
  // Block devices are always written in place, and get a new image if not `use.existing`. A file
  // that is there is locked as QEMU does it, until the target is destroyed.
  // Where it is what standard output goes to, no text goes there any more.
  static absl::StatusOr<Target> Open(const std::string& path, const TargetUse& use);

  int fd() const { return in_place_.has_value() ? in_place_->fd() : fresh_->fd(); }
  bool is_pipe() const { return pipe_.has_value(); }
  // Whether the file keeps the size it has, and what is not written.
  bool is_existing() const { return existing_; }
  // Whether a job that fails leaves the file half-written.
  bool in_place() const { return !is_pipe() && (in_place_.has_value() || fresh_->in_place()); }
  // The file that is written or that the new one takes the place of; nullopt: a device, or none.
  std::optional<FileIdentity> replaces() const;
  // What makes the files beside the target, where its format and options say that there are any;
  // null: there are none. `check` may refuse to have an existing file replaced. The target outlives
  // its use.
  ExtentFileOpener OpenExtents(const std::string& format, const TargetExtents::Options& options,
                               TargetExtents::Check check);

  // A job's error, and where the image is until it goes into a pipe if there was no room for it.
  absl::Status Explain(absl::Status status) const;

  // The files beside the target get their names first, because it is what names them.
  absl::Status Commit(bool sync);

 private:
  static absl::StatusOr<Target> OpenFiles(const std::string& path, const TargetUse& use);
  bool IsStandardOutput() const;

  std::string path_;
  bool existing_ = false;
  std::optional<File> in_place_;  // a pipe's as well
  std::optional<File> pipe_;
  std::optional<OutputFile> fresh_;
  std::optional<File> replaced_;  // for its locks
  std::optional<TargetExtents> extents_;
};

// The target may not be a file that the job reads: kInvalidArgument, naming both.
absl::Status CheckTargetIsNoSource(const std::string& target_path, const std::string& source_path,
                                   const File& source);
// The target may not be a file that was given for a name in an image (--backing): kInvalidArgument,
// naming both.
absl::Status CheckTargetIsNoReference(const std::string& target_path,
                                      const ReferencePolicy& references);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TARGET_TARGET_H_
