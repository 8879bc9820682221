// Errors of the worker: which step, what the kernel said, and a sentence. They travel to the broker
// as hotcell.v1.Failure, or, once a program is being loaded, as the detail of a Finished.
#ifndef HOTCELL_VMM_WORKER_RESULT_H_
#define HOTCELL_VMM_WORKER_RESULT_H_

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "base/expected.h"
#include "protos/control.pb.h"

namespace hotcell::worker {

struct Error {
  v1::Step step = v1::STEP_UNSPECIFIED;
  int error = 0;  // errno; 0 when no call failed
  std::string detail;
};

inline Error ErrnoError(v1::Step step, std::string detail = {}) {
  return {step, errno, std::move(detail)};
}

template <typename T>
using Result = Expected<T, Error>;

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  // Precondition: !ok().
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_RESULT_H_
