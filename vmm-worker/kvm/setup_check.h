// The check of the broker's first message, before any of its numbers is used.
#ifndef HOTCELL_VMM_WORKER_KVM_SETUP_CHECK_H_
#define HOTCELL_VMM_WORKER_KVM_SETUP_CHECK_H_

#include "protos/control.pb.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

// Whether a machine can be made of this: mode, sizes and counts within what abi.h allows, and the
// program and the memory to be warmed within the arena. The broker is trusted, but a Setup that is
// out of range must not make the worker touch memory that is not there.
Status CheckSetup(const v1::Setup& setup);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_KVM_SETUP_CHECK_H_
