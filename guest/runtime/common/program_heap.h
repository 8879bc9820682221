// The heap of the guest's program, which is all the memory that it can allocate.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_PROGRAM_HEAP_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_PROGRAM_HEAP_H_

#include "guest/runtime/common/heap.h"

namespace hotcell::guest {

// The heap behind malloc() and operator new: BootInfo::heap_begin to heap_end.
Heap& ProgramHeap();

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_PROGRAM_HEAP_H_
