// For callers that know the target of a job by its path: the file whose descriptor the request
// takes.
#ifndef HOTCELL_OUTPUT_FILE_H_
#define HOTCELL_OUTPUT_FILE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/file_identity.h"

namespace hotcell {

namespace broker {
struct TargetPath;
}  // namespace broker

// A file that appears under its name whole or not at all. It is written without a name (O_TMPFILE),
// or under a temporary one beside the target where the file system has no unnamed files; Commit()
// syncs it and moves it over the target. Destroyed before that, it leaves the old target, or none.
//
// A process killed before Commit() leaves nothing where the file system has unnamed files (ext4,
// XFS, Btrfs, tmpfs, ...); elsewhere (NFS, FUSE, FAT, ...) it leaves `.NAME.hotcell-PID-N`. Killed
// within Commit(), between its last two system calls, it may leave that name as well, as a whole
// file, and only when it replaces an old one.
//
// A target that is a symbolic link stays one: the file it points to is replaced, as with cp. Links
// and files that other users put into a directory for everybody, such as /tmp, are refused, as by
// the kernel's fs.protected_symlinks and fs.protected_regular.
//
// Some targets cannot be replaced, and are written as they are (in_place()): what a descriptor in
// /dev/fd or /proc/PID/fd stands for, a file that is mounted over its name, a file in a directory
// that the caller may not write to. The job that has the descriptor empties such a file first, and
// leaves it half-written when it fails.
//
//   absl::StatusOr<OutputFile> output = OutputFile::Create("disk.raw");
//   if (!output.ok()) return output.status();
//   request.target_fd = output->fd();
//   ...
//   absl::Status status = output->Commit(/*sync=*/true);
class OutputFile {
 public:
  enum class Links {
    kFollow,  // the user gave the path
    kRefuse,  // nobody did: it was made up from another one
  };

  // A file that is replaced hands on its permissions, ACL and extended attributes, and its owner
  // and group as far as the caller may give files away, and nobody gets more rights than they had;
  // without an old file the new one has 0644 less the umask. Until Commit() only the caller can
  // open it. Errors: the directory is missing or the caller may not use it, the target is not
  // writable, or it exists and is not a regular file.
  static absl::StatusOr<OutputFile> Create(const std::string& path, Links links = Links::kFollow);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  // Open for reading and writing.
  int fd() const { return fd_; }
  // Whether the old file is written, not replaced.
  bool in_place() const { return in_place_; }
  // The old file; nullopt: there is none.
  std::optional<FileIdentity> old_file() const;

  // Removes what this process's files that are not committed have for a name, where they have one:
  // for a process that is about to _exit() with jobs under way. Thread-safe.
  static void RemoveTemporaries();

  // `sync`: fsync the file before the move and the directory after it (cache modes other than
  // unsafe). Afterwards fd() is closed.
  absl::Status Commit(bool sync);

 private:
  OutputFile();
  absl::Status OpenOldFile();
  absl::Status OpenNewFile();
  absl::Status SetAttributes();
  absl::Status Publish();
  void Discard();

  int fd_ = -1;
  bool in_place_ = false;
  std::string shown_;  // the path, for messages
  std::unique_ptr<broker::TargetPath> target_;
  std::string temporary_name_;  // empty while the file has no name of its own
};

}  // namespace hotcell

#endif  // HOTCELL_OUTPUT_FILE_H_
