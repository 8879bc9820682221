// Statuses of failed system calls. All are the host's failures, and name the inherited limit or the
// filter that explains the errno where one does.
#ifndef HOTCELL_BROKER_HOST_POSIX_ERROR_H_
#define HOTCELL_BROKER_HOST_POSIX_ERROR_H_

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "broker/host/host_limits.h"
#include "hotcell/failure.h"

namespace hotcell::broker {

// "cannot <action>: <strerror>", with the code that absl gives the errno; the host's failure. Where
// a limit of this process stands behind the errno, it is named.
inline absl::Status PosixError(int error, absl::string_view action) {
  const absl::Status status = absl::ErrnoToStatus(error, absl::StrCat("cannot ", action));
  // EAGAIN has other causes too; who starts a process or a thread explains it.
  const std::string limits = error == EAGAIN ? "" : ExplainErrno(error);
  return WithFailureKind(
      limits.empty() ? status : Reworded(status, absl::StrCat(status.message(), limits)),
      FailureKind::kHost);
}

// PosixError() for a call that needs no right: if it is refused, a filter of somebody else's
// refuses it, and the message says so.
inline absl::Status CallError(int error, absl::string_view action) {
  const absl::Status status = PosixError(error, action);
  return Reworded(status, absl::StrCat(status.message(), ExplainRefusal(error)));
}

// CallError() for a call that starts a process or a thread, whose EAGAIN means a limit on those.
inline absl::Status TaskError(int error, absl::string_view action) {
  const absl::Status status = CallError(error, action);
  return error == EAGAIN ? Reworded(status, absl::StrCat(status.message(), ExplainErrno(error)))
                         : status;
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_POSIX_ERROR_H_
