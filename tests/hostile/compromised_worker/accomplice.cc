#include "tests/hostile/compromised_worker/accomplice.h"

#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstring>

// Where the kernel puts the frame of a signal that comes while a thread is on the stage; 0: not
// known yet. For the assembly below.
extern "C" {
std::atomic<uint64_t> hotcell_signal_frame;
static_assert(sizeof(hotcell_signal_frame) == sizeof(uint64_t));
// Returns from the signal whose frame that is.
[[gnu::naked]] void HotcellLeaveSignal() {
  asm("mov hotcell_signal_frame(%rip), %rsp\n\t"
      "add $8, %rsp\n\t"  // as after the handler's return
      "mov $15, %eax\n\t"
      "syscall\n\t"
      "ud2");
}
}

namespace hotcell::tests {
namespace {

static_assert(SYS_rt_sigreturn == 15);

// In the kernel's struct rt_sigframe: the restorer's address and a ucontext.
constexpr size_t kStackInFrame = 168;
constexpr size_t kMaskInFrame = 304;
// What a handler and what it calls have on the stack below its frame, roughly.
constexpr size_t kHandlersStack = 1024;

// The stack pointer of a call that is made on the stage is always the same.
alignas(64) char stage[64 << 10];
constexpr char* kTop = stage + sizeof(stage) - 64;
// How often the accomplice has written over it.
std::atomic<uint64_t> rounds = 0;

// This lies in the caller's own stack frame, as does SignalOnStage(): BlockSigsys() comes back here
// twice.
[[gnu::always_inline]] inline int64_t CallOnStage(int64_t number, const int64_t* arguments) {
  int64_t result = number;
  register int64_t fourth asm("r10") = arguments[3];
  asm volatile(
      "mov %%rsp, %%r12\n\t"
      "mov %[stack], %%rsp\n\t"
      "syscall\n\t"
      "mov %%r12, %%rsp"
      : "+a"(result)
      : [stack] "r"(kTop), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(fourth)
      : "rcx", "r11", "r12", "memory");
  return result;
}

// The frame of the one signal that has come on the stage: it holds the registers, the stack pointer
// as the last of those that had this value.
uint64_t FindFrame() {
  const auto stack = reinterpret_cast<uint64_t>(kTop);
  for (char* at = kTop - sizeof(stack); at >= stage + kStackInFrame; at -= sizeof(stack)) {
    if (std::memcmp(at, &stack, sizeof(stack)) == 0) {
      return reinterpret_cast<uint64_t>(at - kStackInFrame);
    }
  }
  return 0;
}

[[gnu::always_inline]] inline void SignalOnStage() {
  // Numbers of the worker's pid namespace: it has no call to ask with.
  constexpr int64_t kSelf[6] = {/*tgid=*/1, /*tid, the first after main's=*/2, SIGUSR1};
  CallOnStage(SYS_tgkill, kSelf);
  hotcell_signal_frame.store(FindFrame(), std::memory_order_release);
}

// Waits until the other thread is seen to run beside this one: on a busy machine it may be waiting
// for a processor, or for this one's.
void WaitForAccomplice(int64_t patience) {
  constexpr uint64_t kShort = 100'000;  // cycles: this thread has run all the while
  for (int64_t i = 0; i < patience || rounds.load(std::memory_order_acquire) == 0; ++i) {
    const uint64_t begin = __rdtsc();
    const uint64_t before = rounds.load(std::memory_order_acquire);
    for (int pauses = 0; pauses < 64; ++pauses) asm volatile("pause");
    if (rounds.load(std::memory_order_acquire) >= before + 2 && __rdtsc() - begin < kShort) return;
  }
}

}  // namespace

int64_t AccompaniedCall(int64_t number, const int64_t* arguments) {
  SignalOnStage();
  WaitForAccomplice(arguments[kPatienceArgument]);
  return CallOnStage(number, arguments);
}

void Accompany() {
  uint64_t frame = 0;
  while ((frame = hotcell_signal_frame.load(std::memory_order_acquire)) == 0) asm volatile("pause");
  const auto leave = reinterpret_cast<uint64_t>(&HotcellLeaveSignal);
  while (true) {
    for (size_t below = 8; below <= kHandlersStack; below += 8) {
      *reinterpret_cast<volatile uint64_t*>(frame - below) = leave;
    }
    rounds.fetch_add(1, std::memory_order_release);
  }
}

int64_t BlockSigsys() {
  static volatile bool blocked = false;
  SignalOnStage();
  // The frame says where to go on: above, a second time.
  if (blocked) return 0;
  blocked = true;
  const uint64_t frame = hotcell_signal_frame.load(std::memory_order_relaxed);
  if (frame == 0) return -1;
  *reinterpret_cast<uint64_t*>(frame + kMaskInFrame) |= uint64_t{1} << (SIGSYS - 1);
  HotcellLeaveSignal();
  return -1;
}

}  // namespace hotcell::tests
