#include "broker/worker_end.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "broker/violation_mark.h"
#include "guest/abi/abi.h"
#include "hotcell/failure.h"
#include "hotcell/layers.h"
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
std::string DescribeMissing(v1::Layer layer, const v1::LayerResult* result) {
  absl::string_view reason = "the worker does not tell of it";
  if (result != nullptr) {
    const char* const description = strerrordesc_np(result->error());
    reason = result->error() == 0     ? "not there"
             : description == nullptr ? "unknown error"
                                      : description;
  }
  const std::string_view remedy = LayerRemedy(layer);
  return absl::StrCat(LayerName(layer), ": ", reason, " (it takes ",
                      absl::string_view(remedy.data(), remedy.size()), ")");
}

constexpr std::array kAlwaysRequired = {v1::LAYER_NO_NEW_PRIVS, v1::LAYER_CLOSED_FDS,
                                        v1::LAYER_SECCOMP};

std::string EscapeDetail(const std::string& detail) {
  return detail.empty() ? "" : absl::StrCat(" (", Escape(detail), ")");
}

absl::Status FaultStatus(const v1::Finished& finished, std::span<const Symbol> symbols) {
  const v1::Fault& fault = finished.fault();
  std::string message = absl::StrFormat(
      "guest fault: %s (vector %u, error 0x%x) at %s", VectorName(fault.vector()), fault.vector(),
      fault.error_code(), Symbolize(finished.registers().rip(), symbols));
  constexpr uint32_t kPageFault = 14;
  if (fault.vector() == kPageFault) {
    absl::StrAppendFormat(&message, ", address 0x%x", finished.registers().cr2());
  }
  absl::StrAppend(&message, " on vCPU ", finished.vcpu(), EscapeDetail(finished.detail()));
  return absl::InternalError(message);
}

absl::Status EndStatus(const v1::Finished& finished, absl::string_view panic_text,
                       std::span<const Symbol> symbols) {
  const std::string detail = EscapeDetail(finished.detail());
  switch (finished.reason()) {
    case v1::END_REASON_EXITED:
      if (finished.exit_code() == abi::kExitOk) return absl::OkStatus();
      if (finished.exit_code() == abi::kExitPanic) {
        const std::string text = Escape({panic_text.data(), panic_text.size()}, kMaxShownMessage);
        return WithFailureKind(absl::InternalError(absl::StrCat("the guest gave up: ", text)),
                               FailureKind::kGuestPanic);
      }
      if (finished.exit_code() == abi::kExitOutOfMemory) {
        const std::string text = Escape({panic_text.data(), panic_text.size()}, kMaxShownMessage);
        return WithFailureKind(absl::ResourceExhaustedError(absl::StrCat(text, "; raise --memory")),
                               FailureKind::kLimit);
      }
      return absl::InternalError(
          absl::StrCat("the guest exited with code ", finished.exit_code(), detail));
    case v1::END_REASON_HALTED:
      return absl::InternalError(absl::StrCat("the guest halted", detail));
    case v1::END_REASON_GUEST_FAULT:
      return FaultStatus(finished, symbols);
    case v1::END_REASON_UNEXPECTED_EXIT:
      return absl::InternalError(absl::StrFormat(
          "unexpected exit of the guest: KVM exit reason %u, %s of %u bytes at 0x%x, at %s%s",
          finished.kvm_exit_reason(), finished.is_write() ? "write" : "read",
          finished.access_size(), finished.address(),
          Symbolize(finished.registers().rip(), symbols), detail));
    case v1::END_REASON_KVM_ERROR:
      return absl::InternalError(absl::StrFormat("KVM could not run the guest: exit reason %u%s",
                                                 finished.kvm_exit_reason(), detail));
    case v1::END_REASON_LOAD_ERROR:
      return absl::InvalidArgumentError(absl::StrCat("the program cannot be loaded", detail));
    case v1::END_REASON_STOPPED:
      return absl::InternalError("the worker stopped the guest without being told");
    default:
      return absl::InternalError("the worker does not say how the guest ended");
  }
}

}  // namespace

std::string DescribePlace(const v1::Registers& registers, std::span<const Symbol> symbols) {
  return absl::StrFormat("0x%x:0x%x, %s", registers.cs(), registers.rip(),
                         Symbolize(registers.rip(), symbols));
}

absl::Status GuestEndStatus(const v1::Finished& finished, absl::string_view panic_text,
                            std::span<const Symbol> symbols) {
  // A payload that ends otherwise than it has to has broken its contract.
  const FailureKind kind = FailureKindOf(finished);
  return WithFailureKind(EndStatus(finished, panic_text, symbols),
                         kind == FailureKind::kNone ? FailureKind::kGuestContract : kind);
}

absl::Status ViolationStatus(const v1::Violation& violation) {
  return WithViolation(
      absl::InternalError(absl::StrCat("the worker made the forbidden system call ",
                                       DescribeViolation(violation), " and was killed")),
      violation);
}

absl::Status FailureStatus(const v1::Failure& failure) {
  const std::string action =
      absl::StrCat("the worker failed to ", Escape(failure.step()), EscapeDetail(failure.detail()));
  // Steps have the names of KVM's calls, or say what is done.
  const bool is_kvm = absl::StartsWith(failure.step(), "KVM_");
  return WithFailureKind(failure.error() == 0 ? absl::InternalError(action)
                                              : absl::ErrnoToStatus(failure.error(), action),
                         is_kvm ? FailureKind::kKvm : FailureKind::kHost);
}

absl::Status WorkerDeathStatus(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) {
    return WithFailureKind(
        absl::InternalError(absl::StrCat("the worker exited with status ", info.si_status,
                                         " before its guest ended")),
        FailureKind::kWorkerDied);
  }
  // Not the handler's doing: the filter kills at once for a call of another architecture.
  if (info.si_status == SIGSYS) {
    return WithFailureKind(
        absl::InternalError("the worker was killed by SIGSYS: it made a system call of another "
                            "architecture, which its filter forbids"),
        FailureKind::kViolation);
  }
  const char* abbreviation = sigabbrev_np(info.si_status);
  return WithFailureKind(
      absl::AbortedError(
          absl::StrCat("the worker was killed by signal ", info.si_status, " (",
                       abbreviation == nullptr ? "unknown" : absl::StrCat("SIG", abbreviation),
                       ") before its guest ended")),
      FailureKind::kWorkerDied);
}

absl::Status CheckLayers(const v1::Confined& confined, std::span<const v1::Layer> also_required) {
  std::map<v1::Layer, v1::LayerResult> results;
  for (const v1::LayerResult& result : confined.layers()) {
    if (!v1::Layer_IsValid(result.layer()) || !v1::LayerState_IsValid(result.state()) ||
        result.layer() == v1::LAYER_UNSPECIFIED || result.state() == v1::LAYER_STATE_UNSPECIFIED ||
        !results.emplace(result.layer(), result).second) {
      return WithFailureKind(
          absl::InternalError("the worker's report of its confinement makes no sense"),
          FailureKind::kWorkerProtocol);
    }
  }
  std::vector<v1::Layer> required(kAlwaysRequired.begin(), kAlwaysRequired.end());
  required.insert(required.end(), also_required.begin(), also_required.end());
  for (const auto& [layer, result] : results) {
    if (result.state() == v1::LAYER_STATE_FAILED) required.push_back(layer);
  }
  std::vector<std::string> missing;
  for (const v1::Layer layer : required) {
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
