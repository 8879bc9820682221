// The two files that each worker is made of.
#ifndef HOTCELL_BROKER_WORKERS_PROGRAMS_H_
#define HOTCELL_BROKER_WORKERS_PROGRAMS_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace hotcell::broker {

// The worker program, to be executed; `path` as EngineOptions::worker_path. The error names what
// was looked for, and the remedy.
absl::StatusOr<UniqueFd> OpenWorker(const std::string& path);

// KVM's device; `path` as EngineOptions::kvm_path. The error, of FailureKind::kKvm, names the
// remedy.
absl::StatusOr<UniqueFd> OpenKvm(const std::string& path);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_PROGRAMS_H_
