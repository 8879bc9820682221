#include "broker/worker_end.h"

#include <seccomp.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "broker/posix_error.h"
#include "guest/abi/abi.h"
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

constexpr std::array kAlwaysRequired = {v1::LAYER_NO_NEW_PRIVS, v1::LAYER_CLOSED_FDS,
                                        v1::LAYER_SECCOMP};

std::string LayerName(v1::Layer layer) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::Layer_Name(layer), "LAYER_"));
}

std::string SyscallName(int number) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number), &std::free);
  return name == nullptr ? absl::StrCat("number ", number)
                         : absl::StrCat(name.get(), " (", number, ")");
}

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

}  // namespace

std::string DescribePlace(const v1::Registers& registers, std::span<const Symbol> symbols) {
  return absl::StrFormat("0x%x:0x%x, %s", registers.cs(), registers.rip(),
                         Symbolize(registers.rip(), symbols));
}

absl::Status GuestEndStatus(const v1::Finished& finished, absl::string_view panic_text,
                            std::span<const Symbol> symbols) {
  const std::string detail = EscapeDetail(finished.detail());
  switch (finished.reason()) {
    case v1::END_REASON_EXITED:
      if (finished.exit_code() == abi::kExitOk) return absl::OkStatus();
      if (finished.exit_code() == abi::kExitPanic) {
        const std::string text = Escape({panic_text.data(), panic_text.size()}, kMaxShownMessage);
        return absl::InternalError(absl::StrCat("the guest gave up: ", text));
      }
      if (finished.exit_code() == abi::kExitOutOfMemory) {
        const std::string text = Escape({panic_text.data(), panic_text.size()}, kMaxShownMessage);
        return absl::ResourceExhaustedError(absl::StrCat(text, "; raise --memory"));
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

absl::Status ViolationStatus(const v1::Violation& violation) {
  return absl::InternalError(
      absl::StrFormat("the worker made the forbidden system call %s during %s and was killed",
                      SyscallName(violation.syscall()),
                      violation.phase() == v1::PHASE_RUN ? "the run of the guest" : "its set-up"));
}

absl::Status FailureStatus(const v1::Failure& failure) {
  const std::string action =
      absl::StrCat("the worker failed to ", Escape(failure.step()), EscapeDetail(failure.detail()));
  if (failure.error() == 0) return absl::InternalError(action);
  return absl::ErrnoToStatus(failure.error(), action);
}

absl::Status WorkerDeathStatus(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) {
    return absl::InternalError(
        absl::StrCat("the worker exited with status ", info.si_status, " before its guest ended"));
  }
  const char* abbreviation = sigabbrev_np(info.si_status);
  return absl::AbortedError(
      absl::StrCat("the worker was killed by signal ", info.si_status, " (",
                   abbreviation == nullptr ? "unknown" : absl::StrCat("SIG", abbreviation),
                   ") before its guest ended"));
}

absl::Status CheckLayers(const v1::Confined& confined, std::span<const v1::Layer> also_required) {
  std::map<v1::Layer, v1::LayerResult> results;
  for (const v1::LayerResult& result : confined.layers()) {
    if (!v1::Layer_IsValid(result.layer()) || !v1::LayerState_IsValid(result.state()) ||
        !results.emplace(result.layer(), result).second) {
      return absl::InternalError("the worker's report of its confinement makes no sense");
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
    std::string text = LayerName(layer);
    if (found != results.end() && found->second.error() != 0) {
      const char* description = strerrordesc_np(found->second.error());
      absl::StrAppend(&text, ": ", description == nullptr ? "unknown error" : description);
    }
    if (std::find(missing.begin(), missing.end(), text) == missing.end()) missing.push_back(text);
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the worker could not be confined as required: ", absl::StrJoin(missing, "; ")));
}

absl::Status AddSetupLayers(const v1::Ready& ready, v1::Confined& confined) {
  for (const v1::LayerResult& result : ready.layers()) {
    const auto pending =
        std::ranges::find_if(*confined.mutable_layers(), [&](const v1::LayerResult& earlier) {
          return earlier.layer() == result.layer() && earlier.state() == v1::LAYER_STATE_PENDING;
        });
    if (pending == confined.mutable_layers()->end()) {
      return absl::InternalError("the worker's report of its set-up makes no sense");
    }
    *pending = result;
  }
  for (v1::LayerResult& result : *confined.mutable_layers()) {
    if (result.state() == v1::LAYER_STATE_PENDING) result.set_state(v1::LAYER_STATE_FAILED);
  }
  return absl::OkStatus();
}

}  // namespace hotcell::broker
