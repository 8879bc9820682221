// A payload that attacks the broker through its lane, in the way that the first byte of its input
// says. It runs on the real guest run-time, in a real guest.
#include <cstdint>

#include "guest/runtime/guest/ports.h"
#include "guest/runtime/guest/program.h"

namespace hotcell::guest {
namespace {

void Submit(const abi::ArenaHeader& arena, uint32_t tail, const abi::Submission& submission) {
  std::byte* const lane = ArenaBytes().data() + arena.lanes_offset;
  reinterpret_cast<abi::Submission*>(lane + abi::kSubmissionRingOffset)[0] = submission;
  auto* const control = reinterpret_cast<abi::LaneControl*>(lane);
  __atomic_store_n(&control->sq_tail, tail, __ATOMIC_SEQ_CST);
  Out32(abi::kPortDoorbell, 0);
}

}  // namespace

uint32_t PayloadMain() {
  const abi::ArenaHeader& arena = *Arena();
  const auto attack = static_cast<char>(ArenaBytes()[arena.input_offset]);
  switch (attack) {
    case 'i':  // indices that cannot be
      Submit(arena, 1000, {});
      break;
    case 'o':  // an opcode that is none
      Submit(arena, 1, {.opcode = 99});
      break;
    case 's':  // a file that is not the job's
      Submit(arena, 1, {.opcode = 1, .slot = 3, .length = 1, .buffer = arena.buffers_offset});
      break;
    case 'f':  // a page that is not there
      asm volatile("movl $1, (%0)" : : "r"(uintptr_t{0x10}) : "memory");
      break;
    case 'p':  // a port that is not granted
      Out32(0x80, 0);
      break;
    case 'l':  // a report larger than its area, and success
      SharedStatus()->report_size = UINT64_MAX;
      SharedStatus()->output_size = UINT64_MAX;
      return abi::kExitOk;
    default:
      return 3;
  }
  for (;;) asm volatile("pause");
}

}  // namespace hotcell::guest
