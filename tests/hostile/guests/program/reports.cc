// What a guest may leave at its end: reports, exit codes, last words, progress.
#include <atomic>
#include <cstdint>
#include <cstring>

#include "guest/runtime/guest/ports.h"
#include "tests/hostile/guests/program/lane.h"
#include "tests/hostile/guests/program/program.h"
#include "tests/hostile/guests/script.h"

namespace hotcell::hostile {
namespace {

// The first `size` bytes of the input become the report; what it claims to have is `claimed`.
void LeaveReport(uint64_t size, uint64_t claimed) {
  Lane lane(0);
  const std::byte* const bytes = ReadScript(lane);
  std::memcpy(guest::ArenaBytes().data() + guest::Arena()->report_offset, bytes, size);
  guest::SharedStatus()->report_size = claimed;
}

// `first` bytes of report; `second`: what it claims to have.
HOSTILE_GUEST(report) {
  LeaveReport(p.first, p.second);
  guest::ExitVcpu(abi::kExitOk);
}
// Leaves the report whole, though a write at `second` of the output came to nothing.
HOSTILE_GUEST(report_after_write_at) {
  LeaveReport(p.first, p.first);
  Lane lane(0);
  lane.Do({.opcode = static_cast<uint32_t>(abi::Opcode::kWrite),
           .slot = kOutputSlot,
           .offset = p.second,
           .length = abi::kPageSize,
           .buffer = lane.buffers()});
  guest::ExitVcpu(abi::kExitOk);
}
// `second`: the exit code.
HOSTILE_GUEST(report_and_exit) {
  LeaveReport(p.first, p.first);
  guest::ExitVcpu(static_cast<uint32_t>(p.second));
}
// All of the report area is `second`.
HOSTILE_GUEST(report_of_one_byte) {
  const abi::ArenaHeader& arena = *guest::Arena();
  std::memset(guest::ArenaBytes().data() + arena.report_offset, static_cast<int>(p.second),
              arena.report_capacity);
  guest::SharedStatus()->report_size = arena.report_capacity;
  guest::ExitVcpu(abi::kExitOk);
}
// Behind the selector the input holds two sizes of 32 bits, then the report's beginning and a part
// of it, which comes `first` times.
HOSTILE_GUEST(report_of_parts) {
  Lane lane(0);
  const std::byte* const script = ReadScript(lane) + kMaxSelector;
  uint32_t sizes[2];
  std::memcpy(sizes, script, sizeof(sizes));
  std::byte* const report = guest::ArenaBytes().data() + guest::Arena()->report_offset;
  std::memcpy(report, script + sizeof(sizes), sizes[0]);
  for (uint64_t i = 0; i < p.first; ++i) {
    std::memcpy(report + sizes[0] + i * sizes[1], script + sizeof(sizes) + sizes[0], sizes[1]);
  }
  guest::SharedStatus()->report_size = sizes[0] + p.first * sizes[1];
  guest::ExitVcpu(abi::kExitOk);
}
// Its size changes while lane 0 exits.
HOSTILE_GUEST(report_of_changing_size) {
  LeaveReport(p.first, p.first);
  std::atomic<bool> flipping = false;
  OnAllLanes([&](uint32_t index) {
    volatile uint64_t& size = guest::SharedStatus()->report_size;
    while (index == 1) {
      size = UINT64_MAX;
      flipping = true;
      size = p.first;
    }
    while (!flipping) asm volatile("pause");
    guest::ExitVcpu(abi::kExitOk);
  });
}
// Last words are the input's first kPanicTextSize bytes; `first`: how many it claims; `second`: the
// exit code.
HOSTILE_GUEST(last_words) {
  Lane lane(0);
  abi::GuestStatus& status = *guest::SharedStatus();
  std::memcpy(status.panic_text, ReadScript(lane), sizeof(status.panic_text));
  status.panic_size = static_cast<uint32_t>(p.first);
  guest::ExitVcpu(static_cast<uint32_t>(p.second));
}
HOSTILE_GUEST(exit_with) { guest::ExitVcpu(static_cast<uint32_t>(p.first)); }
// All vCPUs at once, each with the code `first` + its number.
HOSTILE_GUEST(all_exit) {
  std::atomic<uint32_t> ready = 0;
  OnAllLanes([&](uint32_t index) {
    for (++ready; ready != guest::Team().count();) asm volatile("pause");
    guest::ExitVcpu(static_cast<uint32_t>(p.first) + index);
  });
}
// `first` of `second` bytes are done, it says, for a while.
HOSTILE_GUEST(progress) {
  guest::SharedStatus()->progress_done = p.first;
  guest::SharedStatus()->progress_total = p.second;
  for (int i = 0; i < 10'000'000; ++i) asm volatile("pause");
}

}  // namespace
}  // namespace hotcell::hostile
