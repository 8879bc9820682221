#include "broker/workers/programs.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/host/posix_error.h"
#include "hotcell/failure.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

constexpr absl::string_view kWorkerName = "hotcell-worker";

}  // namespace

absl::StatusOr<UniqueFd> OpenWorker(const std::string& path) {
  if (!path.empty()) {
    UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd.valid()) return PosixError(errno, absl::StrCat("open the worker ", Quote(path)));
    return fd;
  }
  std::array<char, PATH_MAX> self;
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
  if (size < 0)
    return PosixError(errno, "find the worker (read /proc/self/exe; --worker FILE names it)");
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
  return absl::NotFoundError(
      absl::StrCat("cannot find ", kWorkerName, " in ", Quote(directory),
                   " or ../libexec/hotcell/ beside it; install it there or "
                   "name it with --worker FILE (EngineOptions::worker_path)"));
}

absl::StatusOr<UniqueFd> OpenKvm(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.valid()) return fd;
  const int error = errno;
  absl::string_view remedy = "see `hotcell doctor`";
  if (error == ENOENT || error == ENXIO || error == ENODEV) {
    remedy =
        "load kvm_intel or kvm_amd, having enabled virtualization in the firmware, or nested "
        "virtualization where this is a virtual machine; pass the device on to a container: "
        "--device /dev/kvm";
  } else if (error == EACCES || error == EPERM) {
    remedy =
        "let this user open it: usermod -aG kvm USER and log in again; in a container, pass it on "
        "with the group that owns it: --device /dev/kvm --group-add";
  }
  absl::Status status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot open ", path, " (", remedy, ")"));
  if (error == EMFILE) status = PosixError(error, absl::StrCat("open ", path));
  return WithFailureKind(std::move(status), FailureKind::kKvm);
}

}  // namespace hotcell::broker
