// The memory that the worker's process has besides its mappings: data, heap and the main thread's
// stack.
#ifndef HOTCELL_VMM_WORKER_OWN_MEMORY_H_
#define HOTCELL_VMM_WORKER_OWN_MEMORY_H_

#include <cstddef>

#include "vmm-worker/result.h"

namespace hotcell::worker {

// Gives the main thread, which calls it, the stack it will need: once limits are lowered it cannot
// grow any more.
void ReserveMainStack();

// Leaves data, heap and the main thread's stack out of core dumps. To be called by the main thread
// when the heap has its final size.
Status HideOwnMemoryFromDumps();

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_OWN_MEMORY_H_
