#include "hotcell/failure.h"

#include <linux/audit.h>
#include <linux/kvm.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "broker/host/violation_mark.h"
#include "hotcell/remedy.h"
#include "protos/control.pb.h"

namespace hotcell {
namespace {

constexpr absl::string_view kKindUrl = "hotcell/failure-kind";
constexpr absl::string_view kViolationUrl = "hotcell/violation";
constexpr absl::string_view kNotOpenedUrl = "hotcell/not-opened";

constexpr uint32_t kX32Bit = 0x40000000;
constexpr size_t kArguments = 6;

constexpr std::array<std::pair<FailureKind, std::string_view>, 18> kNames = {{
    {FailureKind::kNone, "none"},
    {FailureKind::kOther, "other"},
    {FailureKind::kViolation, "violation"},
    {FailureKind::kWorkerDied, "worker-died"},
    {FailureKind::kWorkerProtocol, "worker-protocol"},
    {FailureKind::kGuestFault, "guest-fault"},
    {FailureKind::kGuestPanic, "guest-panic"},
    {FailureKind::kGuestContract, "guest-contract"},
    {FailureKind::kDeadline, "deadline"},
    {FailureKind::kLimit, "limit"},
    {FailureKind::kCancelled, "cancelled"},
    {FailureKind::kRequest, "request"},
    {FailureKind::kConfinement, "confinement"},
    {FailureKind::kKvm, "kvm"},
    {FailureKind::kHost, "host"},
    {FailureKind::kImage, "image"},
    {FailureKind::kReference, "reference"},
    {FailureKind::kUnsafe, "unsafe"},
}};

// The kind of an error that carries no mark: the code alone tells it.
FailureKind KindOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return FailureKind::kNone;
    case absl::StatusCode::kDeadlineExceeded:
      return FailureKind::kDeadline;
    case absl::StatusCode::kResourceExhausted:
      return FailureKind::kLimit;
    case absl::StatusCode::kCancelled:
      return FailureKind::kCancelled;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return FailureKind::kRequest;
    case absl::StatusCode::kDataLoss:
      return FailureKind::kImage;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnavailable:
      return FailureKind::kHost;
    default:
      return FailureKind::kOther;
  }
}

bool IsX32(const Violation& violation) {
  return violation.arch == AUDIT_ARCH_X86_64 && violation.syscall.value_or(-1) >= 0 &&
         (static_cast<uint32_t>(*violation.syscall) & kX32Bit) != 0;
}

}  // namespace

FailureKind FailureKindOf(const absl::Status& status) {
  const absl::optional<absl::Cord> mark = status.GetPayload(kKindUrl);
  if (!mark.has_value()) return KindOfCode(status.code());
  const std::string name(*mark);
  for (const auto& [kind, kind_name] : kNames) {
    if (kind_name == name) return kind;
  }
  return FailureKind::kOther;
}

FailureKind FailureKindOf(const GuestEnd& end) {
  switch (end.reason) {
    case EndReason::kExited:
    case EndReason::kHalted:
      return FailureKind::kNone;
    case EndReason::kGuestFault:
      return FailureKind::kGuestFault;
    case EndReason::kUnexpectedExit:
      return end.kvm_exit_reason == KVM_EXIT_SHUTDOWN ? FailureKind::kGuestFault
                                                      : FailureKind::kGuestContract;
    case EndReason::kKvmError:
      return FailureKind::kKvm;
    case EndReason::kLoadError:
      return FailureKind::kRequest;
    default:
      return FailureKind::kWorkerProtocol;
  }
}

std::string_view FailureKindName(FailureKind kind) {
  const auto* const found =
      std::ranges::find(kNames, kind, &std::pair<FailureKind, std::string_view>::first);
  return found == kNames.end() ? "other" : found->second;
}

std::optional<Violation> ViolationOf(const absl::Status& status) {
  const absl::optional<absl::Cord> mark = status.GetPayload(kViolationUrl);
  v1::Violation wire;
  if (!mark.has_value() || !wire.ParseFromString(std::string(*mark))) return std::nullopt;
  return broker::ToNative(wire);
}

std::string SyscallName(const Violation& violation) {
  uint32_t arch = violation.arch;
  // Sent by a worker that does not say: the one there is a filter for.
  if (arch == 0) arch = AUDIT_ARCH_X86_64;
  if (IsX32(violation)) arch = SCMP_ARCH_X32;
  // Negative numbers are the library's own, for calls that this architecture does not have.
  if (violation.syscall.value_or(-1) < 0) return "";
  const std::unique_ptr<char, decltype(&std::free)> name(
      seccomp_syscall_resolve_num_arch(arch, *violation.syscall), &std::free);
  return name == nullptr ? "" : name.get();
}

std::string ArchitectureName(const Violation& violation) {
  if (IsX32(violation)) return "x32";
  if (violation.arch == AUDIT_ARCH_X86_64) return "x86_64";
  if (violation.arch == AUDIT_ARCH_I386) return "i386";
  return absl::StrFormat("architecture 0x%x", violation.arch);
}

std::string_view PhaseName(Phase phase) { return phase == Phase::kRun ? "run" : "set-up"; }

std::string DescribeViolation(const Violation& violation) {
  const std::string name = SyscallName(violation);
  std::string text = !violation.syscall ? "a call that is not known"
                     : name.empty()     ? absl::StrCat("number ", *violation.syscall)
                                        : absl::StrCat(name, " (", *violation.syscall, ")");
  if (const std::string arch = ArchitectureName(violation);
      violation.arch != 0 && arch != "x86_64") {
    absl::StrAppend(&text, " of ", arch);
  }
  for (size_t i = 0; i < std::min(kArguments, violation.arguments.size()); ++i) {
    absl::StrAppendFormat(&text, "%s0x%x", i == 0 ? " with " : ", ", violation.arguments[i]);
  }
  if (violation.instruction_pointer != 0) {
    absl::StrAppendFormat(&text, " at 0x%x", violation.instruction_pointer);
  }
  absl::StrAppend(&text, violation.phase == Phase::kRun ? " during the run of the guest"
                                                        : " during its set-up");
  return text;
}

absl::Status WithFailureKind(absl::Status status, FailureKind kind) {
  if (status.ok() || status.GetPayload(kKindUrl).has_value()) return status;
  const std::string_view name = FailureKindName(kind);
  status.SetPayload(kKindUrl, absl::Cord(absl::string_view(name.data(), name.size())));
  return status;
}

std::optional<std::string> NotOpened(const absl::Status& status) {
  const absl::optional<absl::Cord> what = status.GetPayload(kNotOpenedUrl);
  return what.has_value() ? std::optional(std::string(*what)) : std::nullopt;
}

absl::Status WithNotOpened(absl::Status status, std::string_view what) {
  status.SetPayload(kNotOpenedUrl, absl::Cord(absl::string_view(what.data(), what.size())));
  return status;
}

absl::Status Reworded(const absl::Status& status, std::string_view message) {
  absl::Status reworded(status.code(), absl::string_view(message.data(), message.size()));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { reworded.SetPayload(url, payload); });
  const std::string_view old(status.message().data(), status.message().size());
  if (!message.starts_with(old)) reworded.ErasePayload(kNotOpenedUrl);
  std::optional<RemedyNote> note = RemedyOf(status);
  if (note.has_value() && message.ends_with(old)) {
    note->place += message.size() - old.size();
    return WithRemedy(std::move(reworded), *note);
  }
  return reworded;
}

namespace broker {

Violation ToNative(const v1::Violation& violation) {
  Violation native;
  if (violation.has_syscall()) native.syscall = violation.syscall();
  native.arch = violation.arch();
  native.phase = violation.phase() == v1::PHASE_RUN ? Phase::kRun : Phase::kSetup;
  native.arguments.assign(violation.arguments().begin(), violation.arguments().end());
  native.instruction_pointer = violation.instruction_pointer();
  return native;
}

absl::Status WithViolation(absl::Status status, const Violation& violation) {
  v1::Violation wire;
  if (violation.syscall) wire.set_syscall(*violation.syscall);
  wire.set_arch(violation.arch);
  wire.set_phase(violation.phase == Phase::kRun ? v1::PHASE_RUN : v1::PHASE_SETUP);
  wire.mutable_arguments()->Add(violation.arguments.begin(), violation.arguments.end());
  wire.set_instruction_pointer(violation.instruction_pointer);
  status.SetPayload(kViolationUrl, absl::Cord(wire.SerializeAsString()));
  return WithFailureKind(std::move(status), FailureKind::kViolation);
}

}  // namespace broker
}  // namespace hotcell
