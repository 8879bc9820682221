// How a worker or its guest ended, as a status that says what happened.
#ifndef HOTCELL_BROKER_WORKERS_WORKER_END_H_
#define HOTCELL_BROKER_WORKERS_WORKER_END_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "broker/host/control_group.h"
#include "broker/host/host_limits.h"
#include "broker/workers/symbolizer.h"
#include "broker/workers/worker_process.h"
#include "hotcell/failure.h"
#include "hotcell/guest_end.h"
#include "hotcell/layers.h"
#include "protos/control.pb.h"

namespace hotcell::broker {

// OK for a payload that exited with abi::kExitOk; otherwise an error. `panic_text` is what the
// guest's run-time left in the arena. kInternal: the guest failed; kResourceExhausted: out of
// memory.
absl::Status GuestEndStatus(const GuestEnd& end, absl::string_view panic_text,
                            std::span<const Symbol> symbols);

// "0x33:0x2000f3, hotcell::guest::Foo()+0x13": where a stopped guest was.
std::string DescribePlace(const Registers& registers, std::span<const Symbol> symbols);

absl::Status ViolationStatus(const v1::Violation& violation);
absl::Status FailureStatus(const v1::Failure& failure);

// The limits around a worker, any of which may be why it died.
struct DeathContext {
  Phase phase = Phase::kSetup;  // kRun: it had said that it is ready
  absl::Duration inherited_cpu = absl::InfiniteDuration();
  ControlGroupLimits groups;  // it is in the same ones
  std::string memory_limits;  // as ExplainErrno(ENOMEM) tells them

  // Reads the limits of this process, for a worker in `phase`.
  static DeathContext Read(Phase phase);
};

// A worker that died without a last message. kViolation: by SIGSYS, which is its filter's doing.
// kLimit: it used up the CPU time of an inherited RLIMIT_CPU.
absl::Status WorkerDeathStatus(const WorkerDeath& death, const DeathContext& context);

// OK when no layer FAILED and each of the required ones is ACHIEVED: no_new_privs, closed
// descriptors, seccomp and `also_required`. kFailedPrecondition names the layers otherwise;
// kInternal: the report lists a layer twice or one that does not exist. Layers of `also_required`
// may be PENDING: a worker that fails to apply them never gets ready.
absl::Status CheckLayers(const v1::Confined& confined, std::span<const Layer> also_required);

// Puts the results of Ready in the place of those that Confined called PENDING; one that is missing
// has FAILED. kInternal: a result that was not pending.
absl::Status AddSetupLayers(const v1::Ready& ready, v1::Confined& confined);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_WORKER_END_H_
