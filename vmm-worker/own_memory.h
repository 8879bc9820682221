// The memory that the worker's process has besides the guest's: data, heap and the main thread's
// stack.
#ifndef HOTCELL_VMM_WORKER_OWN_MEMORY_H_
#define HOTCELL_VMM_WORKER_OWN_MEMORY_H_

#include <cstddef>
#include <span>

#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

// A stack for the main thread. The one that the kernel gave it grows no further than the inherited
// RLIMIT_STACK lets it, which may be a page or two, and no more at all once limits are lowered.
Result<Mapping> MapMainStack();

// Calls run(argument) on `stack`, which is MapMainStack()'s, with nothing to return to: `run` must
// end the process.
[[noreturn]] void SwitchStack(std::span<std::byte> stack, void (*run)(void*), void* argument);

// Leaves data, heap and the stack that the kernel made out of core dumps. To be called by the main
// thread when the heap has its final size.
Status HideOwnMemoryFromDumps();

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_OWN_MEMORY_H_
