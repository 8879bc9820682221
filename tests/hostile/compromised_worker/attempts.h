// What an intruder in a worker would try first, by subject. Each is tried three times: under the
// whole lock-down, where its first call ends the worker; with seccomp left out of it, where the
// other layers have to do; and without the resource limits of the run either, which are the first
// of these that most attempts meet.
#ifndef HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTEMPTS_H_
#define HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTEMPTS_H_

#include <string>
#include <vector>

#include "hotcell/layers.h"
#include "tests/hostile/compromised_worker/chain.h"

namespace hotcell::tests {

// The layer that stops an attempt which reaches the kernel, where it is not one of Layer.
inline constexpr Layer kTheKernel{};  // it has no such thing, or no object
// No layer stops it: that is what the filter is for. The attempt succeeds without.
inline constexpr Layer kOnlyTheFilter = Layer::kSeccomp;

struct Attempt {
  std::string name;
  Chain chain;
  // What stops it without seccomp and limits, and what the last step comes back with; 0: success.
  Layer stopped_by;
  std::vector<int> errors;
  // What the last step comes back with under the limits, where these come first. Empty: they do
  // not.
  std::vector<int> errors_by_limits = {};
};

std::vector<Attempt> FileAttempts();
std::vector<Attempt> NetworkAttempts();
std::vector<Attempt> ProcessAttempts();
std::vector<Attempt> MemoryAttempts();
std::vector<Attempt> PrivilegeAttempts();
std::vector<Attempt> KvmAttempts();

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTEMPTS_H_
