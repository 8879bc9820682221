// Guests that never end, that ring without need, and that wait for what does not come.
#include <cstdint>

#include "guest/runtime/guest/ports.h"
#include "tests/hostile/guests/program/lane.h"
#include "tests/hostile/guests/program/program.h"

namespace hotcell::hostile {
namespace {

HOSTILE_GUEST(loop) {
  for (;;) asm volatile("");
}
HOSTILE_GUEST(loop_on_all) {
  OnAllLanes([](uint32_t) {
    for (;;) asm volatile("");
  });
}
// A loop with exits: CPUID always leaves the guest's code.
HOSTILE_GUEST(loop_cpuid) {
  for (;;) asm volatile("cpuid" : : "a"(0), "c"(0) : "rbx", "rdx");
}
// A bus lock each time: the slowest thing that one processor does to others.
HOSTILE_GUEST(loop_split_lock) {
  auto* const word = reinterpret_cast<uint32_t*>(writable_page + 62);
  for (;;) asm volatile("lock incl %0" : "+m"(*word));
}
// `first` doorbells of lane 0; 0: without end.
HOSTILE_GUEST(ring_doorbell) {
  for (uint64_t i = 0; p.first == 0 || i < p.first; ++i) guest::Out32(abi::kPortDoorbell, 0);
}
// Sleeps until it is woken, which nobody does.
HOSTILE_GUEST(wait_for_nobody) {
  for (;;) guest::Out32(abi::kPortWait, 0);
}
HOSTILE_GUEST(all_wait_for_nobody) {
  OnAllLanes([](uint32_t lane) {
    for (;;) guest::Out32(abi::kPortWait, lane);
  });
}
// Wakes a lane that does not wait, `first` times; 0: without end.
HOSTILE_GUEST(wake_storm) {
  for (uint64_t i = 0; p.first == 0 || i < p.first; ++i) guest::Out32(abi::kPortWakeLane, 0);
}
// All lanes wake all others and sleep.
HOSTILE_GUEST(wake_each_other) {
  OnAllLanes([](uint32_t lane) {
    const uint32_t count = guest::Team().count();
    for (;;) {
      for (uint32_t other = 0; other < count; ++other) guest::Out32(abi::kPortWakeLane, other);
      guest::Out32(abi::kPortWait, lane);
    }
  });
}
// All vCPUs but the first have gone, and the first waits for them.
HOSTILE_GUEST(others_exit) {
  OnAllLanes([](uint32_t lane) {
    if (lane != 0) guest::ExitVcpu(abi::kExitOk);
    for (;;) guest::Out32(abi::kPortWait, 0);
  });
}

}  // namespace
}  // namespace hotcell::hostile
