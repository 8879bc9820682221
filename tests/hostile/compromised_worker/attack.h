// What a worker does once its guest has taken it over: a list of steps, written by a test and
// handed over as the input of the job. It lies in the arena, where the worker, which has become an
// interpreter, finds it and leaves the results.
#ifndef HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTACK_H_
#define HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTACK_H_

#include <cstddef>
#include <cstdint>

namespace hotcell::tests {

inline constexpr size_t kMaxSteps = 96;
inline constexpr size_t kAttackMemory = 4096;

enum class Op : uint32_t {
  kCall,         // system call `number`
  kInterrupt80,  // likewise, by the entry of i386
  kStore,        // one byte to the address arguments[0], as it is there
  kJump,         // call the code at the address arguments[0]
  kSpin,         // for ever
  // A system call as kCall makes it, by a thread whose stack another one writes on all the while:
  // see accomplice.h.
  kAccompaniedCall,
  kBlockSigsys,  // by a return from a signal that the kernel has not sent
};

// What an argument of a step is.
enum class Operand : uint8_t {
  kValue,
  kMemory,  // the address of Attack::memory + value
  kResult,  // the result of step `value`
  kText,    // the address of the worker's code
  kData,    // that of a variable of its
  kStack,   // that of a variable on its stack
  kTextPage,
  kDataPage,  // where their pages begin
};

struct Step {
  Op op = Op::kCall;
  Operand kinds[6] = {};
  int64_t number = 0;
  int64_t arguments[6] = {};
};

// Untouched by the kernel unless a step says so.
struct Attack {
  uint32_t steps = 0;
  Step step[kMaxSteps];
  char memory[kAttackMemory] = {};
};

struct StepResult {
  int64_t result = 0;
  int64_t error = 0;  // errno when result is -1
};

// The exit code of the guest after the last step.
inline constexpr uint32_t kAttackDone = 0x5a;

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTACK_H_
