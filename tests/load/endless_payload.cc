// A payload that never ends, in the way that the first byte of its input says.
#include <cstdint>

#include "guest/runtime/guest/ports.h"
#include "guest/runtime/guest/program.h"

namespace hotcell::guest {

uint32_t PayloadMain() {
  switch (static_cast<char>(ArenaBytes()[Arena()->input_offset])) {
    case 'w':  // waits for completions of requests that it did not make
      for (;;) Out32(abi::kPortWait, 0);
    case 'd':  // doorbells, which wake the broker
      for (;;) Out32(abi::kPortDoorbell, 0);
    case 'x':  // exits to the worker
      for (;;) Out32(abi::kPortWakeLane, 0);
    default:  // no exit at all
      for (;;) asm volatile("1: jmp 1b");
  }
}

}  // namespace hotcell::guest
