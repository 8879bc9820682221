// What the fake worker does instead of a job. Chosen by Setup::memory_size, the first thing it
// reads.
#ifndef HOTCELL_BROKER_TESTING_FAKE_WORKER_H_
#define HOTCELL_BROKER_TESTING_FAKE_WORKER_H_

#include <cstdint>

namespace hotcell::broker {

enum class FakeBehaviour : uint64_t {
  kFinishes = 1,    // as a good worker does; exit code 0
  kNoSeccomp,       // does not achieve a required layer
  kFailedLayer,     // FAILED for a layer nobody requires
  kReadyFirst,      // skips Confined
  kGarbage,         // bytes that are no message
  kHugeFrame,       // a length over the cap
  kHalfFrame,       // a frame cut short, and exits
  kExits,           // status 42, without a word
  kKillsItself,     // SIGILL
  kHangsAtOnce,     // says nothing
  kHangsRunning,    // says nothing after Start, nor to Stop
  kStopsWhenTold,   // Finished{STOPPED} on Stop
  kBurnsCpu,        // in state running, until Stop
  kClosesPipe,      // and stays
  kViolates,        // Violation{execve} after Start
  kFails,           // Failure after Setup
  kConsole,         // Output, then finishes
  kFloods,          // Output without end
  kBreaksRing,      // more requests than a ring has
  kAsksForSlot,     // a request for a file that is not
  kBlocksEventFds,  // fills the wakes, drains the doorbells and hangs
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_TESTING_FAKE_WORKER_H_
