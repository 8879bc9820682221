#include "tools/hotcell/report/run_json.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_format.h"
#include "hotcell/text.h"
#include "tools/hotcell/report/json.h"
#include "tools/hotcell/report/layers.h"
#include "tools/hotcell/report/run_report.h"

namespace hotcell::cli {
namespace {

constexpr size_t kPageSize = 4096;

std::string_view ReasonName(EndReason reason) {
  switch (reason) {
    case EndReason::kExited:
      return "exited";
    case EndReason::kHalted:
      return "halted";
    case EndReason::kGuestFault:
      return "guest-fault";
    case EndReason::kUnexpectedExit:
      return "unexpected-exit";
    case EndReason::kKvmError:
      return "kvm-error";
    case EndReason::kLoadError:
      return "load-error";
    case EndReason::kStopped:
      return "stopped";
    default:
      return "unknown";
  }
}

// Strings, in hex: JSON's numbers have 53 bits.
Json RegistersJson(const Registers& r) {
  const std::pair<std::string_view, uint64_t> named[] = {
      {"rax", r.rax}, {"rbx", r.rbx}, {"rcx", r.rcx},       {"rdx", r.rdx}, {"rsi", r.rsi},
      {"rdi", r.rdi}, {"rsp", r.rsp}, {"rbp", r.rbp},       {"r8", r.r8},   {"r9", r.r9},
      {"r10", r.r10}, {"r11", r.r11}, {"r12", r.r12},       {"r13", r.r13}, {"r14", r.r14},
      {"r15", r.r15}, {"rip", r.rip}, {"rflags", r.rflags}, {"cr0", r.cr0}, {"cr2", r.cr2},
      {"cr3", r.cr3}, {"cr4", r.cr4}, {"efer", r.efer},     {"cs", r.cs},   {"ds", r.ds},
      {"es", r.es},   {"ss", r.ss},
  };
  Json json = Json::Object();
  for (const auto& [name, value] : named) json.SetString(name, absl::StrFormat("0x%x", value));
  return json;
}

Json DirtyPagesJson(const GuestEnd& end) {
  Json ranges = Json::Array();
  for (const PageRange& range : end.dirty_pages) {
    Json json = Json::Object();
    json.SetString("address", absl::StrFormat("0x%x", range.first * kPageSize))
        .SetNumber("pages", range.count);
    ranges.Append(std::move(json));
  }
  return ranges;
}

}  // namespace

std::string RunJson(const RunOptions& options, const RunReply& reply,
                    std::string_view serial_output, int exit_status) {
  const GuestEnd& end = reply.worker.end;
  Json run = Json::Object();
  run.SetString("reason", ReasonName(end.reason))
      .SetString("description", DescribeEnd(end))
      .SetInteger("exit-status", exit_status)
      .SetNumber("vcpu", end.vcpu);
  if (end.reason == EndReason::kExited) run.SetNumber("code", end.exit_code);
  if (end.result) run.SetNumber("result", *end.result);
  if (!reply.panic.empty()) run.SetString("panic", reply.panic);
  run.SetString("serial-output", hotcell::Escape(serial_output, serial_output.size()))
      .Set("registers-before", RegistersJson(end.initial_registers))
      .Set("registers", RegistersJson(end.registers));
  if (options.request.log_dirty_pages) run.Set("dirty-pages", DirtyPagesJson(end));
  if (!end.vga_text.empty()) run.SetString("vga-text", VgaText(end.vga_text));
  run.Set("confinement", LayersJson(reply.worker.layers));
  Json document = Json::Object();
  document.Set("run", std::move(run));
  return document.Dump();
}

}  // namespace hotcell::cli
