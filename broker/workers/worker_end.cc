#include "broker/workers/worker_end.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "broker/host/violation_mark.h"
#include "broker/workers/steps.h"
#include "guest/abi/abi.h"
#include "hotcell/failure.h"
#include "hotcell/layers.h"
#include "hotcell/remedy.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

absl::string_view VectorName(uint32_t vector) {
  static constexpr std::array<absl::string_view, 22> kNames = {"divide error",
                                                               "debug exception",
                                                               "NMI",
                                                               "breakpoint",
                                                               "overflow",
                                                               "bound range exceeded",
                                                               "invalid opcode",
                                                               "device not available",
                                                               "double fault",
                                                               "coprocessor overrun",
                                                               "invalid TSS",
                                                               "segment not present",
                                                               "stack fault",
                                                               "general protection",
                                                               "page fault",
                                                               "reserved vector",
                                                               "x87 exception",
                                                               "alignment check",
                                                               "machine check",
                                                               "SIMD exception",
                                                               "virtualization exception",
                                                               "control protection"};
  return vector < kNames.size() ? kNames[vector] : "exception";
}

// "landlock: Function not implemented (it takes ...)".
std::string DescribeMissing(Layer layer, const v1::LayerResult* result) {
  absl::string_view reason = "the worker does not tell of it";
  if (result != nullptr) {
    const char* const description = strerrordesc_np(result->error());
    reason = result->error() == 0     ? "not there"
             : description == nullptr ? "unknown error"
                                      : description;
  }
  const std::string_view remedy = LayerRemedy(layer);
  return absl::StrCat(LayerName(layer), ": ", reason, " (it takes ",
                      absl::string_view(remedy.data(), remedy.size()), ")",
                      result == nullptr ? "" : ExplainRefusal(result->error()));
}

constexpr std::array kAlwaysRequired = {Layer::kNoNewPrivs, Layer::kClosedFds, Layer::kSeccomp};

std::string EscapeDetail(const std::string& detail) {
  return detail.empty() ? "" : absl::StrCat(" (", Escape(detail), ")");
}

absl::Status FaultStatus(const GuestEnd& end, std::span<const Symbol> symbols) {
  const Fault fault = end.fault.value_or(Fault{});
  std::string message =
      absl::StrFormat("guest fault: %s (vector %u, error 0x%x) at %s", VectorName(fault.vector),
                      fault.vector, fault.error_code, Symbolize(end.registers.rip, symbols));
  constexpr uint32_t kPageFault = 14;
  if (fault.vector == kPageFault) {
    absl::StrAppendFormat(&message, ", address 0x%x", end.registers.cr2);
  }
  absl::StrAppend(&message, " on vCPU ", end.vcpu, EscapeDetail(end.detail));
  return absl::InternalError(message);
}

absl::Status EndStatus(const GuestEnd& end, absl::string_view panic_text,
                       std::span<const Symbol> symbols) {
  const std::string detail = EscapeDetail(end.detail);
  switch (end.reason) {
    case EndReason::kExited:
      if (end.exit_code == abi::kExitOk) return absl::OkStatus();
      if (end.exit_code == abi::kExitPanic) {
        const std::string text = Escape({panic_text.data(), panic_text.size()}, kMaxShownMessage);
        return WithFailureKind(absl::InternalError(absl::StrCat("the guest gave up: ", text)),
                               FailureKind::kGuestPanic);
      }
      if (end.exit_code == abi::kExitOutOfMemory) {
        std::string text = Escape({panic_text.data(), panic_text.size()}, kMaxShownMessage);
        if (text.empty()) text = "the guest is out of memory";
        return WithFailureKind(WithRemedy(absl::ResourceExhaustedError(text), Remedy::kRaiseMemory),
                               FailureKind::kLimit);
      }
      return absl::InternalError(
          absl::StrCat("the guest exited with code ", end.exit_code, detail));
    case EndReason::kHalted:
      return absl::InternalError(absl::StrCat("the guest halted", detail));
    case EndReason::kGuestFault:
      return FaultStatus(end, symbols);
    case EndReason::kUnexpectedExit:
      return absl::InternalError(absl::StrFormat(
          "unexpected exit of the guest: KVM exit reason %u, %s of %u bytes at 0x%x, at %s%s",
          end.kvm_exit_reason, end.is_write ? "write" : "read", end.access_size, end.address,
          Symbolize(end.registers.rip, symbols), detail));
    case EndReason::kKvmError:
      return absl::InternalError(absl::StrFormat("KVM could not run the guest: exit reason %u%s",
                                                 end.kvm_exit_reason, detail));
    case EndReason::kLoadError:
      return absl::InvalidArgumentError(absl::StrCat("the program cannot be loaded", detail));
    case EndReason::kStopped:
      return absl::InternalError("the worker stopped the guest without being told");
    default:
      return absl::InternalError("the worker does not say how the guest ended");
  }
}

// The inherited limit of CPU time for which the kernel sent the signal, if that is why it came.
std::optional<absl::Duration> ReachedCpuLimit(const WorkerDeath& death, absl::Duration limit) {
  // The kernel counts in ticks of its clock, and what it says of the dead is scaled to another one.
  constexpr absl::Duration kInaccuracy = absl::Milliseconds(500);
  if (limit == absl::InfiniteDuration()) return std::nullopt;
  if (death.status == SIGXCPU) return limit;
  // A worker's hard limit is as low as its soft one.
  if (death.status != SIGKILL || death.cpu_time + kInaccuracy < limit) return std::nullopt;
  return limit;
}

// What the kernel kills a process for that is its surroundings' fault rather than its own; "" when
// there is nothing of the kind.
std::string PossibleCause(int signal, const DeathContext& context) {
  if (signal == SIGKILL && context.groups.out_of_memory_kills > 0) {
    const std::string limit =
        context.groups.memory.has_value()
            ? absl::StrCat(", whose limit is ", *context.groups.memory, " bytes")
            : "";
    return absl::StrCat("; out of memory? (the kernel has killed ",
                        context.groups.out_of_memory_kills,
                        " of the processes of its control group for lack of memory", limit, ")");
  }
  if (signal == SIGXCPU) return "; RLIMIT_RTTIME is used up (ulimit -R)";
  const bool may_be_memory =
      signal == SIGKILL || signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS;
  return may_be_memory && !context.memory_limits.empty()
             ? absl::StrCat("; out of memory?", context.memory_limits)
             : "";
}

// The kernel did so at once: for any call while the guest ran; before, for one of another
// architecture, or with SIGSYS blocked so that the worker could not report it.
absl::Status KilledByFilter(Phase phase) {
  return WithViolation(
      absl::InternalError(absl::StrCat(
          "the worker made a forbidden system call during ",
          phase == Phase::kRun ? "the run of the guest" : "its set-up",
          " and was killed by SIGSYS; which call it was, the kernel's log says where there is one, "
          "in a line with type=1326 (dmesg, ausearch -m SECCOMP)")),
      {.syscall = {}, .arch = 0, .phase = phase, .arguments = {}, .instruction_pointer = 0});
}

}  // namespace

std::string DescribePlace(const Registers& registers, std::span<const Symbol> symbols) {
  std::string place = absl::StrFormat("0x%x:0x%x", registers.cs, registers.rip);
  if (!symbols.empty()) absl::StrAppend(&place, ", ", Symbolize(registers.rip, symbols));
  return place;
}

absl::Status GuestEndStatus(const GuestEnd& end, absl::string_view panic_text,
                            std::span<const Symbol> symbols) {
  // A payload that ends otherwise than it has to has broken its contract.
  const FailureKind kind = FailureKindOf(end);
  return WithFailureKind(EndStatus(end, panic_text, symbols),
                         kind == FailureKind::kNone ? FailureKind::kGuestContract : kind);
}

absl::Status ViolationStatus(const v1::Violation& wire) {
  const Violation violation = ToNative(wire);
  return WithViolation(
      absl::InternalError(absl::StrCat("the worker made the forbidden system call ",
                                       DescribeViolation(violation), " and was killed")),
      violation);
}

absl::Status FailureStatus(const v1::Failure& failure) {
  const std::string action = absl::StrCat("the worker failed to ", StepText(failure.step()),
                                          EscapeDetail(failure.detail()));
  absl::Status status = absl::InternalError(action);
  if (failure.error() != 0) {
    status = absl::ErrnoToStatus(failure.error(), action);
    // The worker has this process's limits and filters. KVM starts a thread with the first run.
    status = Reworded(status, absl::StrCat(status.message(), ExplainErrno(failure.error()),
                                           ExplainRefusal(failure.error())));
  }
  return WithFailureKind(std::move(status),
                         IsKvmStep(failure.step()) ? FailureKind::kKvm : FailureKind::kHost);
}

DeathContext DeathContext::Read(Phase phase) {
  return {.phase = phase,
          .inherited_cpu = InheritedCpu(),
          .groups = ReadControlGroups(),
          .memory_limits = ExplainErrno(ENOMEM)};
}

absl::Status WorkerDeathStatus(const WorkerDeath& death, const DeathContext& context) {
  if (!death.known) {
    return WithFailureKind(
        absl::AbortedError("the worker died before its guest ended; how is not known, because this "
                           "process ignores SIGCHLD or waits for any child, and it may have been "
                           "for a forbidden system call"),
        FailureKind::kWorkerDied);
  }
  if (death.code == CLD_EXITED) {
    return WithFailureKind(
        absl::InternalError(absl::StrCat("the worker exited with status ", death.status,
                                         " before its guest ended")),
        FailureKind::kWorkerDied);
  }
  if (const std::optional<absl::Duration> limit = ReachedCpuLimit(death, context.inherited_cpu)) {
    return CpuUsedUp(*limit);
  }
  if (death.status == SIGSYS) return KilledByFilter(context.phase);
  const char* abbreviation = sigabbrev_np(death.status);
  return WithFailureKind(
      absl::AbortedError(
          absl::StrCat("the worker was killed by signal ", death.status, " (",
                       abbreviation == nullptr ? "unknown" : absl::StrCat("SIG", abbreviation),
                       ") before its guest ended", PossibleCause(death.status, context))),
      FailureKind::kWorkerDied);
}

absl::Status CheckLayers(const v1::Confined& confined, std::span<const Layer> also_required) {
  std::map<Layer, v1::LayerResult> results;
  for (const v1::LayerResult& result : confined.layers()) {
    if (!v1::Layer_IsValid(result.layer()) || !v1::LayerState_IsValid(result.state()) ||
        result.layer() == v1::LAYER_UNSPECIFIED || result.state() == v1::LAYER_STATE_UNSPECIFIED ||
        !results.emplace(static_cast<Layer>(result.layer()), result).second) {
      return WithFailureKind(
          absl::InternalError("the worker's report of its confinement makes no sense"),
          FailureKind::kWorkerProtocol);
    }
  }
  std::vector<Layer> required(kAlwaysRequired.begin(), kAlwaysRequired.end());
  required.insert(required.end(), also_required.begin(), also_required.end());
  for (const auto& [layer, result] : results) {
    if (result.state() == v1::LAYER_STATE_FAILED) required.push_back(layer);
  }
  std::vector<std::string> missing;
  for (const Layer layer : required) {
    const auto found = results.find(layer);
    if (found != results.end()) {
      if (found->second.state() == v1::LAYER_STATE_ACHIEVED) continue;
      const bool may_follow = std::ranges::find(kAlwaysRequired, layer) == kAlwaysRequired.end();
      if (found->second.state() == v1::LAYER_STATE_PENDING && may_follow) continue;
    }
    const std::string text =
        DescribeMissing(layer, found == results.end() ? nullptr : &found->second);
    if (std::find(missing.begin(), missing.end(), text) == missing.end()) missing.push_back(text);
  }
  if (missing.empty()) return absl::OkStatus();
  return WithFailureKind(
      absl::FailedPreconditionError(absl::StrCat("the worker could not be confined as required: ",
                                                 absl::StrJoin(missing, "; "))),
      FailureKind::kConfinement);
}

absl::Status AddSetupLayers(const v1::Ready& ready, v1::Confined& confined) {
  for (const v1::LayerResult& result : ready.layers()) {
    const auto pending =
        std::ranges::find_if(*confined.mutable_layers(), [&](const v1::LayerResult& earlier) {
          return earlier.layer() == result.layer() && earlier.state() == v1::LAYER_STATE_PENDING;
        });
    if (pending == confined.mutable_layers()->end()) {
      return WithFailureKind(
          absl::InternalError("the worker's report of its set-up makes no sense"),
          FailureKind::kWorkerProtocol);
    }
    *pending = result;
  }
  for (v1::LayerResult& result : *confined.mutable_layers()) {
    if (result.state() == v1::LAYER_STATE_PENDING) result.set_state(v1::LAYER_STATE_FAILED);
  }
  return absl::OkStatus();
}

}  // namespace hotcell::broker
