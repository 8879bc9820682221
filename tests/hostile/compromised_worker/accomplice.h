// What an intruder does with two threads, or with a signal's frame, so that nobody hears of a call
// that the filter forbids. Only calls that are allowed in the run are needed for it.
#ifndef HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ACCOMPLICE_H_
#define HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ACCOMPLICE_H_

#include <cstdint>

namespace hotcell::tests {

// Makes the call on a stack that Accompany() knows, which meanwhile writes over whatever a handler
// of the call's SIGSYS would have on it: the handler returns to code that undoes the signal, and
// goes on as if the call had failed. Waits for the other thread first.
// The last argument, which the call may not need itself, is for how many microseconds, roughly, it
// waits until the other thread runs at the same time.
inline constexpr int kPatienceArgument = 5;
int64_t AccompaniedCall(int64_t number, const int64_t* arguments);
// What the other thread does.
[[noreturn]] void Accompany();

// Blocks SIGSYS on this thread, by rt_sigreturn with the frame of an earlier signal.
int64_t BlockSigsys();

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ACCOMPLICE_H_
