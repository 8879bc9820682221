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
//   absl::StatusOr<OutputFile> output = OutputFile::Create("disk.raw");
//   request.target_fd = output->fd();
//   ...
//   absl::Status status = output->Commit();
class OutputFile {
 public:
  // Permissions are those of the file it replaces, else 0666 less the umask. Errors: the directory
  // is missing or not writable, the target is a directory or not a regular file.
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  int fd() const { return fd_; }

  // `sync`: fdatasync before the move (cache modes other than unsafe).
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
