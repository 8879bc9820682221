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

std::string_view ReasonName(v1::EndReason reason) {
  switch (reason) {
    case v1::END_REASON_EXITED:
      return "exited";
    case v1::END_REASON_HALTED:
      return "halted";
    case v1::END_REASON_GUEST_FAULT:
      return "guest-fault";
    case v1::END_REASON_UNEXPECTED_EXIT:
      return "unexpected-exit";
    case v1::END_REASON_KVM_ERROR:
      return "kvm-error";
    case v1::END_REASON_LOAD_ERROR:
      return "load-error";
    case v1::END_REASON_STOPPED:
      return "stopped";
    default:
      return "unknown";
  }
}

// Strings, in hex: JSON's numbers have 53 bits.
Json RegistersJson(const v1::Registers& r) {
  const std::pair<std::string_view, uint64_t> named[] = {
      {"rax", r.rax()}, {"rbx", r.rbx()},       {"rcx", r.rcx()},   {"rdx", r.rdx()},
      {"rsi", r.rsi()}, {"rdi", r.rdi()},       {"rsp", r.rsp()},   {"rbp", r.rbp()},
      {"r8", r.r8()},   {"r9", r.r9()},         {"r10", r.r10()},   {"r11", r.r11()},
      {"r12", r.r12()}, {"r13", r.r13()},       {"r14", r.r14()},   {"r15", r.r15()},
      {"rip", r.rip()}, {"rflags", r.rflags()}, {"cr0", r.cr0()},   {"cr2", r.cr2()},
      {"cr3", r.cr3()}, {"cr4", r.cr4()},       {"efer", r.efer()}, {"cs", r.cs()},
      {"ds", r.ds()},   {"es", r.es()},         {"ss", r.ss()},
  };
  Json json = Json::Object();
  for (const auto& [name, value] : named) json.SetString(name, absl::StrFormat("0x%x", value));
  return json;
}

Json DirtyPagesJson(const v1::Finished& finished) {
  Json ranges = Json::Array();
  for (const v1::PageRange& range : finished.dirty_pages()) {
    Json json = Json::Object();
    json.SetString("address", absl::StrFormat("0x%x", range.first() * kPageSize))
        .SetNumber("pages", range.count());
    ranges.Append(std::move(json));
  }
  return ranges;
}

}  // namespace

std::string RunJson(const RunOptions& options, const RunReply& reply,
                    std::string_view serial_output, int exit_status) {
  const v1::Finished& finished = reply.worker.finished;
  Json run = Json::Object();
  run.SetString("reason", ReasonName(finished.reason()))
      .SetString("description", DescribeEnd(finished))
      .SetInteger("exit-status", exit_status)
      .SetNumber("vcpu", finished.vcpu());
  if (finished.reason() == v1::END_REASON_EXITED) run.SetNumber("code", finished.exit_code());
  if (finished.has_result()) run.SetNumber("result", finished.result_port_value());
  if (!reply.panic.empty()) run.SetString("panic", reply.panic);
  run.SetString("serial-output", hotcell::Escape(serial_output, serial_output.size()))
      .Set("registers-before", RegistersJson(finished.initial_registers()))
      .Set("registers", RegistersJson(finished.registers()));
  if (options.request.log_dirty_pages) run.Set("dirty-pages", DirtyPagesJson(finished));
  if (!finished.vga_text().empty()) run.SetString("vga-text", VgaText(finished.vga_text()));
  run.Set("confinement", LayersJson(reply.worker.layers));
  Json document = Json::Object();
  document.Set("run", std::move(run));
  return document.Dump();
}

}  // namespace hotcell::cli
