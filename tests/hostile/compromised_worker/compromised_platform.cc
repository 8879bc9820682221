// The worker's port handler, as if it had a hole that a guest can write its program through: takes
// the place of vmm-worker/platform/payload_platform.cc, all else in the program is the worker's
// own. So what follows happens in a process that has been set up, locked down and run into its
// guest by the code that does it in every job.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/accomplice.h"
#include "tests/hostile/compromised_worker/attack.h"
#include "tests/hostile/compromised_worker/stolen_arena.h"
#include "tests/support/i386_entry.h"
#include "vmm-worker/platform/payload_platform.h"

namespace hotcell::tests {
namespace {

char data_of_the_worker = 1;

void Execute(const Attack& attack, StepResult* results);

int64_t PageOf(int64_t address) { return address & -static_cast<int64_t>(abi::kPageSize); }

// `on_the_stack` outlives the call that its address is an argument of.
int64_t Resolve(const Attack& attack, const StepResult* results, const Step& step, int index,
                char* on_the_stack) {
  const int64_t value = step.arguments[index];
  switch (step.kinds[index]) {
    case Operand::kValue:
      return value;
    case Operand::kMemory:
      return reinterpret_cast<int64_t>(attack.memory + value);
    case Operand::kResult:
      return results[value].result;
    case Operand::kText:
      return reinterpret_cast<int64_t>(&Execute);
    case Operand::kData:
      return reinterpret_cast<int64_t>(&data_of_the_worker);
    case Operand::kStack:
      return reinterpret_cast<int64_t>(on_the_stack);
    case Operand::kTextPage:
      return PageOf(reinterpret_cast<int64_t>(&Execute));
    case Operand::kDataPage:
      return PageOf(reinterpret_cast<int64_t>(&data_of_the_worker));
  }
  return 0;
}

int64_t Call(int64_t number, const int64_t* arguments) {
  const int64_t result = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                                 arguments[4], arguments[5]);
  // A child that one of them makes does not go on with the attack.
  const bool forks = number == SYS_fork || number == SYS_clone || number == SYS_clone3;
  if (number == SYS_vfork && result == 0) _exit(0);
  while (forks && result == 0) pause();
  return result;
}

int64_t Perform(const Step& step, const int64_t* arguments) {
  switch (step.op) {
    case Op::kCall:
      return Call(step.number, arguments);
    case Op::kInterrupt80:
      return Interrupt80(step.number);
    case Op::kStore: {
      auto* const byte = reinterpret_cast<volatile char*>(arguments[0]);
      *byte = *byte;
      return 0;
    }
    case Op::kJump:
      reinterpret_cast<void (*)()>(arguments[0])();
      return 0;
    case Op::kSpin:
      while (true) asm volatile("pause");
    case Op::kAccompaniedCall:
      return AccompaniedCall(step.number, arguments);
    case Op::kBlockSigsys:
      return BlockSigsys();
  }
  return -1;
}

void Execute(const Attack& attack, StepResult* results) {
  char on_the_stack = 1;
  for (uint32_t i = 0; i < attack.steps && i < kMaxSteps; ++i) {
    const Step& step = attack.step[i];
    int64_t arguments[6];
    for (int index = 0; index < 6; ++index) {
      arguments[index] = Resolve(attack, results, step, index, &on_the_stack);
    }
    errno = 0;
    results[i].result = Perform(step, arguments);
    results[i].error = results[i].result == -1 ? errno : 0;
  }
}

void ExecuteFromArena() {
  std::byte* const arena = StolenArena();
  const auto* const header = reinterpret_cast<const abi::ArenaHeader*>(arena);
  Execute(*reinterpret_cast<const Attack*>(arena + header->input_offset),
          reinterpret_cast<StepResult*>(arena + header->output_offset));
  reinterpret_cast<abi::GuestStatus*>(arena + header->status_offset)->output_size =
      kMaxSteps * sizeof(StepResult);
}

}  // namespace
}  // namespace hotcell::tests

namespace hotcell::worker {

uint32_t PortAccess::Value(uint32_t) const { return 0; }

// The first `out` of the guest's gives its author the worker.
Action PayloadPlatform::OnPort(uint32_t vcpu, const kvm_regs&, const PortAccess&) {
  if (vcpu != 0) tests::Accompany();
  tests::ExecuteFromArena();
  return Action::End({.reason = v1::END_REASON_EXITED, .exit_code = tests::kAttackDone});
}

}  // namespace hotcell::worker
