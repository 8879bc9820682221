// Why a job failed, so that a service can tell a hostile image from a hostile worker, and both from
// a host that cannot run either.
//
//   absl::StatusOr<hotcell::ConvertReply> reply = engine->Convert(request);
//   if (hotcell::FailureKindOf(reply.status()) == hotcell::FailureKind::kViolation) {
//     Alarm(hotcell::DescribeViolation(*hotcell::ViolationOf(reply.status())));
//   }
//
// The first cause wins: a worker that is killed because it broke the protocol has not died.
#ifndef HOTCELL_FAILURE_H_
#define HOTCELL_FAILURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "hotcell/guest_end.h"

namespace hotcell {

enum class FailureKind {
  kNone,   // OK
  kOther,  // a bug of ours

  // The worker: assumed to be compromised from then on, and killed.
  kViolation,       // made a system call that its filter forbids; see ViolationOf()
  kWorkerDied,      // crashed, exited or was killed before its guest had ended
  kWorkerProtocol,  // broke the rules of the control pipe

  // The guest.
  kGuestFault,     // an exception, a triple fault
  kGuestPanic,     // found out itself that something is wrong with it, and gave up
  kGuestContract,  // broke its rings, left no report, touched what is not there

  // What the caller set.
  kDeadline,   // Limits::wall_time or cpu_time
  kLimit,      // another of the Limits, the guest's memory, or an inherited RLIMIT_CPU
  kCancelled,  // Cancellation
  kRequest,    // the request makes no sense

  // The host.
  kConfinement,  // a layer that must be there is missing
  kKvm,          // cannot be opened, has not made the VM, or could not run the guest
  kHost,         // a file, memory, descriptors, a resource limit of this process

  // What the image holds, as an honest guest tells it.
  kImage,      // damaged, or of a kind that is not read
  kReference,  // names another file, which ReferencePolicy does not allow
  kUnsafe,     // judged and found wanting (VerdictStatus())
};

// The kind of an error that a function of Engine returned.
FailureKind FailureKindOf(const absl::Status& status);
// How the guest of Engine::Run() ended. An exit code, whichever, is no failure.
FailureKind FailureKindOf(const GuestEnd& end);

// "violation", "worker-died", ...: part of the interface, in JSON too.
std::string_view FailureKindName(FailureKind kind);

// What the worker was at: its own set-up, or the run of its guest.
enum class Phase { kSetup, kRun };

// A system call that the worker's filter refused.
struct Violation {
  std::optional<int32_t> syscall;  // its number
  uint32_t arch = 0;               // AUDIT_ARCH_*; 0: not known
  Phase phase = Phase::kSetup;
  std::vector<uint64_t> arguments;   // as the kernel got them; of an honest worker, six
  uint64_t instruction_pointer = 0;  // of the instruction after the call; 0: not known
};

// What is known of the system call for which the status is of kViolation; nothing for any other
// status. The phase always is; the call itself, its number and the rest, only until the guest runs.
// From then on the kernel kills the worker at once, so that nobody in it can keep the call secret,
// and has the call's number in its log only.
std::optional<Violation> ViolationOf(const absl::Status& status);

// "socket", or "" when the call is not known or no call of that architecture has the number.
std::string SyscallName(const Violation& violation);
// "x86_64", "i386", "x32" (by the number's bit) or "architecture 0x40000028".
std::string ArchitectureName(const Violation& violation);
// "set-up" or "run".
std::string_view PhaseName(Phase phase);
// "socket (41) with 0x2, 0x1, 0x0, 0x0, 0x0, 0x0 at 0x401234 during its set-up", "a call that is
// not known during the run of the guest"
std::string DescribeViolation(const Violation& violation);

// Marks an error that has no mark yet. OK stays OK.
absl::Status WithFailureKind(absl::Status status, FailureKind kind);
// "'/images/base.raw'": what could not be opened, where that is the error, whose message then
// begins "cannot open WHAT: ". Nothing for any other error, and where words are put before that
// message.
std::optional<std::string> NotOpened(const absl::Status& status);
absl::Status WithNotOpened(absl::Status status, std::string_view what);

// The same error in other words: its code and its marks stay. The place of its remedy
// (hotcell/remedy.h) stays behind the words that it follows, where those are only added to.
absl::Status Reworded(const absl::Status& status, std::string_view message);

}  // namespace hotcell

#endif  // HOTCELL_FAILURE_H_
