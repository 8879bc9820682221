#ifndef HOTCELL_OUTPUT_FILE_H_
#define HOTCELL_OUTPUT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotcell {

// A file that appears under its name whole or not at all. It is written without a name (O_TMPFILE),
// or under a temporary one beside the target where the file system has no unnamed files; Commit()
// syncs it and moves it over the target. Destroyed before that, it leaves the old target, or none.
//
// A process killed before Commit() leaves nothing where the file system has unnamed files (ext4,
// XFS, Btrfs, tmpfs, ...); elsewhere (NFS, FUSE, FAT, ...) it leaves `.NAME.hotcell-PID-N`. Killed
// within Commit(), between its last two system calls, it may leave that name as well, as a whole
// file, and only when it replaces an old one.
//
// A target that is a symbolic link stays one: the file it points to is replaced, as with cp.
//
//   absl::StatusOr<OutputFile> output = OutputFile::Create("disk.raw");
//   request.target_fd = output->fd();
//   ...
//   absl::Status status = output->Commit();
class OutputFile {
 public:
  // Permissions are those of the file it replaces, and its owner and group as far as the caller may
  // give files away; without an old file 0666 less the umask. Errors: the directory is missing or
  // not writable, the target is not writable, or it exists and is not a regular file.
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  int fd() const { return fd_; }

  // `sync`: fsync the file before the move and the directory after it (cache modes other than
  // unsafe). Afterwards fd() is closed.
  absl::Status Commit(bool sync);

 private:
  OutputFile() = default;
  void Discard();

  int fd_ = -1;
  int directory_fd_ = -1;
  std::string path_;
  std::string name_;            // last component of path_
  std::string temporary_name_;  // empty while the file has no name
};

}  // namespace hotcell

#endif  // HOTCELL_OUTPUT_FILE_H_
