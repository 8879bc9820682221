#include "hotcell/unnamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace hotcell {

std::string TemporaryDirectory() {
  const char* const named = secure_getenv("TMPDIR");
  return named == nullptr || *named == '\0' ? "/tmp" : named;
}

int OpenUnnamedFile(const std::string& directory) {
  int fd = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  const int error = errno;
  if (fd >= 0 || !HasNoUnnamedFiles(error, directory)) return fd;
  std::string name = directory + "/hotcell.XXXXXX";
  fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) {
    (void)unlink(name.c_str());
  } else {
    errno = error;
  }
  return fd;
}

bool HasNoUnnamedFiles(int error, const std::string& directory) {
  // ENOENT: what /proc and a few others say.
  const bool has_none = error == EOPNOTSUPP || error == EISDIR ||
                        (error == ENOENT && access(directory.c_str(), F_OK) == 0);
  errno = error;
  return has_none;
}

}  // namespace hotcell
