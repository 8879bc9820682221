// What the compromised worker's main() hands to its platform.
#ifndef HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_STOLEN_ARENA_H_
#define HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_STOLEN_ARENA_H_

#include <cstddef>

namespace hotcell::tests {

// Where this process has its job's arena. An intruder would look for the worker's own mapping; a
// second one, made before the first step of the lock-down, saves the search and gives nothing that
// the first does not.
std::byte* StolenArena();

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_STOLEN_ARENA_H_
