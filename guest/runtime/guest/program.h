// What a payload program is made of: one function, and what it may ask about the machine it is on.
//
//   #include "guest/runtime/guest/program.h"
//
//   uint32_t hotcell::guest::PayloadMain() { return 42; }
//
// built by hotcell_guest_program(), run by `hotcell run --mode payload`.
#ifndef HOTCELL_GUEST_RUNTIME_GUEST_PROGRAM_H_
#define HOTCELL_GUEST_RUNTIME_GUEST_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "guest/abi/abi.h"
#include "guest/runtime/common/lane_team.h"

namespace hotcell::guest {

// The program. Runs on vCPU 0 after static initialisers; the heap is there. What it returns is the
// job's exit code. The other vCPUs sleep until Team().RunOnAll() gives them work.
uint32_t PayloadMain();

// What the worker told vCPU 0.
const abi::BootInfo& Boot();

// The arena, nullptr when the job has none.
const abi::ArenaHeader* Arena();
// All of it, empty when there is none. Offsets in ArenaHeader index this.
std::span<std::byte> ArenaBytes();
// The arena's status block.
abi::GuestStatus* SharedStatus();

// All vCPUs of the job.
LaneTeam& Team();
LanePort& Port();

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_GUEST_PROGRAM_H_
