// A program that makes the system calls it is told to, in the worker's place: what a test asks of
// it under a confinement is what an intruder could try. Requests come in on abi::kFdControlIn,
// replies go out on abi::kFdControlOut, both as these structs. EOF ends it with status 0.
#ifndef HOTCELL_TESTS_SYSCALL_PROBE_PROBE_H_
#define HOTCELL_TESTS_SYSCALL_PROBE_PROBE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

namespace hotcell::tests {

inline constexpr size_t kScratchSize = 512;

enum class ProbeRequestKind : uint32_t {
  kSystemCall,
  kApplyLayers,         // reply: the serialized Confined in scratch, its size as result
  kInstallSetupFilter,  // reply: 1 or 0
  kInstallRunFilter,    // vCPUs, policy::RunExtra, CPU seconds in arguments[0..2]; reply: 1 or 0
  kStartThread,         // reply: pthread_create()'s result; the thread waits for kBlockOnLock
  kDescribeStart,       // reply: argc * 1000 + environment's size; argv[0] in scratch
  kBlockOnLock,         // reply once that thread has answered through a gate
  // reply once a handler of SIGUSR1, which the probe sent to itself, has run and returned: 1
  kReturnFromSignal,
  kInterrupt80,  // system call `number` by the entry of i386, int 0x80; reply: eax
};

struct ProbeRequest {
  ProbeRequestKind kind = ProbeRequestKind::kSystemCall;
  // Bit i: arguments[i] is an offset in scratch and stands for that address.
  uint32_t in_scratch = 0;
  int64_t number = 0;
  int64_t arguments[6] = {};
  char scratch[kScratchSize] = {};
};

struct ProbeReply {
  int64_t result = 0;
  int64_t error = 0;  // errno when result is -1
  char scratch[kScratchSize] = {};
};

static_assert(sizeof(ProbeRequest) <= PIPE_BUF && sizeof(ProbeReply) <= PIPE_BUF);

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_SYSCALL_PROBE_PROBE_H_
