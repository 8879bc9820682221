#include "broker/workers/programs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/host/posix_error.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

constexpr absl::string_view kWorkerName = "hotcell-worker";

// What gives this process the device that it could not open.
Remedy KvmRemedy(int error) {
  if (error == ENOENT || error == ENXIO || error == ENODEV) return Remedy::kLoadKvm;
  if (error == EACCES || error == EPERM) return Remedy::kAllowKvm;
  return Remedy::kExamineKvm;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenWorker(const std::string& path) {
  if (!path.empty()) {
    UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd.valid()) return PosixError(errno, absl::StrCat("open the worker ", Quote(path)));
    return fd;
  }
  std::array<char, PATH_MAX> self;
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
  if (size < 0) {
    constexpr absl::string_view kAction = "find the worker";
    constexpr absl::string_view kHow = " (read /proc/self/exe)";
    return WithRemedy(PosixError(errno, absl::StrCat(kAction, kHow)),
                      {.remedy = Remedy::kNameWorker,
                       .subject = {},
                       .place = absl::string_view("cannot ").size() + kAction.size(),
                       .replaced = kHow.size()});
  }
  std::string directory(self.data(), static_cast<size_t>(size));
  directory.erase(directory.rfind('/') + 1);
  for (const absl::string_view below : {"", "../libexec/hotcell/"}) {
    const std::string beside = absl::StrCat(directory, below, kWorkerName);
    UniqueFd fd(open(beside.c_str(), O_PATH | O_CLOEXEC));
    if (fd.valid()) return fd;
    // A directory that is not there is no reason to look no further; one that may not be searched
    // is.
    if (errno != ENOENT && errno != ENOTDIR) {
      return PosixError(errno, absl::StrCat("open the worker ", Quote(beside)));
    }
  }
  return WithRemedy(
      absl::NotFoundError(absl::StrCat("cannot find ", kWorkerName, " in ", Quote(directory),
                                       " or ../libexec/hotcell/ beside it")),
      Remedy::kInstallWorker);
}

absl::StatusOr<UniqueFd> OpenKvm(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat info = {};
  const bool is_device = fd.valid() && fstat(fd.get(), &info) == 0 && S_ISCHR(info.st_mode);
  if (is_device) return fd;
  // What lies in the place of the device is none, as a file that was bound over it.
  const int error = fd.valid() ? ENODEV : errno;
  if (error == EMFILE) {
    return WithFailureKind(PosixError(error, absl::StrCat("open ", path)), FailureKind::kKvm);
  }
  const std::string action = absl::StrCat("cannot open ", path);
  return WithFailureKind(
      WithRemedy(absl::ErrnoToStatus(error, action),
                 {.remedy = KvmRemedy(error), .subject = {}, .place = action.size()}),
      FailureKind::kKvm);
}

}  // namespace hotcell::broker
