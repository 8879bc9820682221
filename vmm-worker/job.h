// One job from beginning to end: the worker's side of the control pipe's state machine
// (docs/protocol.md), the lock-down between its states, and the threads of the vCPUs.
#ifndef HOTCELL_VMM_WORKER_JOB_H_
#define HOTCELL_VMM_WORKER_JOB_H_

#include <cstddef>
#include <span>

namespace hotcell::worker {

// Talks to the broker on abi::kFdControlIn and kFdControlOut; descriptors lie at their abi::kFd*
// numbers. `builtin` is the payload for jobs that bring no program. Ends the process: with status
// 0 after a Finished, 1 after a Failure or when the broker is gone.
[[noreturn]] void HostJob(std::span<const std::byte> builtin);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_JOB_H_
