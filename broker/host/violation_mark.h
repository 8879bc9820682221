// How a forbidden system call of a worker gets into an error, from which clients read it with
// ViolationOf().
#ifndef HOTCELL_BROKER_HOST_VIOLATION_MARK_H_
#define HOTCELL_BROKER_HOST_VIOLATION_MARK_H_

#include "absl/status/status.h"
#include "hotcell/failure.h"
#include "protos/control.pb.h"

namespace hotcell::broker {

// Turns a violation as a worker sends it into the clients' type. A phase that is none counts as
// set-up.
Violation ToNative(const v1::Violation& violation);

// Marks an error as FailureKind::kViolation, and with what ViolationOf() returns.
absl::Status WithViolation(absl::Status status, const Violation& violation);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_VIOLATION_MARK_H_
