// What the worker does instead of a job. Chosen by the size of the guest's memory, which a user of
// the command sets: 4 MiB and as many pages.
#ifndef HOTCELL_TESTS_MISBEHAVING_MISBEHAVING_WORKER_H_
#define HOTCELL_TESTS_MISBEHAVING_MISBEHAVING_WORKER_H_

#include <cstdint>

namespace hotcell::tests {

enum class Misbehaviour : uint64_t {
  kViolatesInSetup = 1,  // socket(AF_INET, SOCK_STREAM, 0)
  kViolatesRunning,      // socket(AF_INET, SOCK_STREAM, 0)
  kViolatesAsI386,       // getpid() through int 0x80
  kViolatesAsX32,        // getpid() with the bit in the number
  kCrashes,              // reads address 0
  kExits,                // status 42, without a word
  kRepeatsReady,
  kHangs,           // does not even react to Stop
  kStops,           // Finished{STOPPED}, which nobody asked for
  kFaults,          // Finished with a page fault
  kFails,           // Failure{KVM_CREATE_VM}
  kLeavesNoReport,  // Finished{EXITED}, without a report in the arena
  kLacksSeccomp,    // says that this kernel has none
  kLacksLandlock,   // likewise, and otherwise as kExits
};

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_MISBEHAVING_MISBEHAVING_WORKER_H_
