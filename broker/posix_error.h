#ifndef HOTCELL_BROKER_POSIX_ERROR_H_
#define HOTCELL_BROKER_POSIX_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "hotcell/failure.h"

namespace hotcell::broker {

// "cannot <action>: <strerror>", with the code that absl gives the errno; the host's failure.
inline absl::Status PosixError(int error, absl::string_view action) {
  return WithFailureKind(absl::ErrnoToStatus(error, absl::StrCat("cannot ", action)),
                         FailureKind::kHost);
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_POSIX_ERROR_H_
