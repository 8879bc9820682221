#include "tools/hotcell/report/run_report.h"

#include <linux/kvm.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr size_t kVgaColumns = 80;

std::string ExceptionName(uint32_t vector) {
  constexpr std::string_view kNames[] = {
      "#DE divide error",
      "#DB debug",
      "NMI",
      "#BP breakpoint",
      "#OF overflow",
      "#BR bound range exceeded",
      "#UD invalid opcode",
      "#NM device not available",
      "#DF double fault",
      "coprocessor segment overrun",
      "#TS invalid TSS",
      "#NP segment not present",
      "#SS stack fault",
      "#GP general protection",
      "#PF page fault",
      "reserved",
      "#MF x87 floating point",
      "#AC alignment check",
      "#MC machine check",
      "#XM SIMD floating point",
      "#VE virtualization",
      "#CP control protection",
  };
  if (vector < std::size(kNames)) return std::string(kNames[vector]);
  return Cat("exception ", vector);
}

std::string Where(const GuestEnd& end) {
  return absl::StrFormat("vCPU %d, RIP 0x%x", end.vcpu, end.registers.rip);
}

std::string DescribeFault(const GuestEnd& end) {
  constexpr uint32_t kPageFault = 14;
  const Fault fault = end.fault.value_or(Fault{});
  std::string text = absl::StrFormat("guest fault: %s, error code 0x%x",
                                     ExceptionName(fault.vector), fault.error_code);
  if (fault.vector == kPageFault) {
    text += absl::StrFormat(", address 0x%x", end.registers.cr2);
  }
  return text;
}

std::string DescribeUnexpected(const GuestEnd& end) {
  const std::string_view direction = end.is_write ? "write to" : "read from";
  switch (end.kvm_exit_reason) {
    case KVM_EXIT_IO:
      return absl::StrFormat("unknown port: %d-byte %s port 0x%x", end.access_size, direction,
                             end.address);
    case KVM_EXIT_MMIO:
      return absl::StrFormat("MMIO outside devices: %d-byte %s 0x%x", end.access_size, direction,
                             end.address);
    case KVM_EXIT_SHUTDOWN:
      return "triple fault: an exception that the guest has no working handler for";
    default:
      return absl::StrFormat("unexpected KVM exit %d", end.kvm_exit_reason);
  }
}

// A line of registers; names of fewer letters are padded.
struct NamedRegister {
  const char* name;
  uint64_t value;
};

}  // namespace

int RunExitStatus(const GuestEnd& end) {
  switch (end.reason) {
    case EndReason::kExited:
      return static_cast<int>(std::min<uint32_t>(end.exit_code, 255));
    case EndReason::kHalted:
      return kExitOk;
    case EndReason::kGuestFault:
      return kExitGuestFault;
    case EndReason::kUnexpectedExit:
      if (end.kvm_exit_reason == KVM_EXIT_MMIO) return kExitUnexpectedMmio;
      if (end.kvm_exit_reason == KVM_EXIT_SHUTDOWN) return kExitTripleFault;
      return kExitUnexpectedPort;
    case EndReason::kKvmError:
      return kExitKvmError;
    case EndReason::kLoadError:
      return kExitNotStarted;
    default:
      return kExitWorkerFailed;
  }
}

int RunExitStatus(const absl::Status& status) {
  const int exit_status = FailureExitStatus(status);
  return exit_status == kExitFailure ? kExitNotStarted : exit_status;
}

bool EndedByItself(const GuestEnd& end) {
  return end.reason == EndReason::kExited || end.reason == EndReason::kHalted;
}

std::string DescribeEnd(const GuestEnd& end) {
  const bool has_detail = !end.detail.empty();
  std::string text;
  switch (end.reason) {
    case EndReason::kExited:
      return Cat("the guest exited with code ", end.exit_code);
    case EndReason::kHalted:
      return Cat("the guest halted (HLT) on ", Where(end));
    case EndReason::kGuestFault:
      text = DescribeFault(end);
      break;
    case EndReason::kUnexpectedExit:
      text = has_detail ? Escape(end.detail) : DescribeUnexpected(end);
      break;
    case EndReason::kKvmError:
      text = "KVM cannot run the guest";
      break;
    case EndReason::kLoadError:
      return Cat("cannot load the program: ", Escape(end.detail));
    case EndReason::kStopped:
      return Cat("the guest was stopped (", Where(end), ")");
    default:
      return Cat("the worker did not say how the guest ended (", static_cast<int>(end.reason), ")");
  }
  Append(text, " (", Where(end), ")");
  if (has_detail && end.reason != EndReason::kUnexpectedExit) {
    Append(text, ": ", Escape(end.detail));
  }
  return text;
}

std::string RegistersText(const Registers& r) {
  const NamedRegister named[] = {
      {"rax", r.rax}, {"rbx", r.rbx}, {"rcx", r.rcx},    {"rdx", r.rdx}, {"rsi", r.rsi},
      {"rdi", r.rdi}, {"rsp", r.rsp}, {"rbp", r.rbp},    {"r8", r.r8},   {"r9", r.r9},
      {"r10", r.r10}, {"r11", r.r11}, {"r12", r.r12},    {"r13", r.r13}, {"r14", r.r14},
      {"r15", r.r15}, {"rip", r.rip}, {"rfl", r.rflags}, {"cr0", r.cr0}, {"cr2", r.cr2},
      {"cr3", r.cr3}, {"cr4", r.cr4}, {"efr", r.efer},
  };
  constexpr size_t kPerLine = 4;
  std::string out;
  for (size_t i = 0; i < std::size(named); ++i) {
    out += absl::StrFormat("  %-3s %016x", named[i].name, named[i].value);
    if (i % kPerLine == kPerLine - 1) out += "\n";
  }
  out += absl::StrFormat("\n  cs %04x  ds %04x  es %04x  ss %04x\n", r.cs, r.ds, r.es, r.ss);
  return out;
}

std::string DirtyPagesText(const GuestEnd& end) {
  std::string out;
  for (const PageRange& range : end.dirty_pages) {
    const uint64_t first = range.first * kPageSize;
    out +=
        absl::StrFormat("  0x%x to 0x%x: %d page%s\n", first, first + range.count * kPageSize - 1,
                        range.count, range.count == 1 ? "" : "s");
  }
  return out.empty() ? "  none\n" : out;
}

std::string VgaText(std::string_view characters) {
  std::string out;
  while (!characters.empty()) {
    std::string_view row = characters.substr(0, kVgaColumns);
    characters.remove_prefix(row.size());
    row = row.substr(0, row.find_last_not_of(' ') + 1);
    Append(out, Escape(row), "\n");
  }
  return out;
}

}  // namespace hotcell::cli
