// How a guest ended, as its worker tells it. A worker that its guest has taken over tells what it
// likes: these are words, and nothing to rely on.
#ifndef HOTCELL_GUEST_END_H_
#define HOTCELL_GUEST_END_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hotcell {

// The modes of a guest. They have the numbers of protos/control.proto, as the reasons below have.
enum class GuestMode : int32_t {
  kPayload = 1,  // CPL 3, page protection, ring ports only
  kLong = 2,     // 64-bit, CPL 0, serial and exit ports
  kReal = 3,     // 16-bit
};

enum class EndReason : int32_t {
  kUnknown = 0,         // the worker does not say
  kExited = 1,          // exit port; exit_code is valid
  kHalted = 2,          // HLT (real and long mode)
  kGuestFault = 3,      // exception; fault says which
  kUnexpectedExit = 4,  // kvm_exit_reason, address, access_size and is_write are valid
  kStopped = 5,         // the broker said so; registers show where
  kKvmError = 6,        // KVM_RUN failed or KVM reported an internal error
  kLoadError = 7,       // the program could not be loaded; detail says why
};

struct Registers {
  uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0;
  uint64_t rsi = 0, rdi = 0, rsp = 0, rbp = 0;
  uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0;
  uint64_t r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  uint64_t rip = 0, rflags = 0;
  uint32_t cs = 0, ds = 0, es = 0, ss = 0;
  uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0;
  uint64_t efer = 0;
};

struct Fault {
  uint32_t vector = 0;
  uint64_t error_code = 0;
};

// Returns of KVM_RUN to user space, of all vCPUs together.
struct ExitCounters {
  uint64_t total = 0;
  uint64_t waits = 0;    // of which the wait port
  uint64_t port_io = 0;  // of which other ports
  uint64_t mmio = 0;
  uint64_t interrupted = 0;  // EINTR
};

// Pages of 4096 bytes that follow each other.
struct PageRange {
  uint64_t first = 0;  // page frame number
  uint64_t count = 0;
};

struct GuestEnd {
  EndReason reason = EndReason::kUnknown;
  uint32_t exit_code = 0;
  uint32_t vcpu = 0;  // that ended it
  std::optional<Fault> fault;
  Registers registers;           // of that vCPU, at the end
  Registers initial_registers;   // of that vCPU, at entry
  uint32_t kvm_exit_reason = 0;  // KVM_EXIT_*, when unexpected
  uint64_t address = 0;          // port or guest-physical address, when unexpected
  uint32_t access_size = 0;      // bytes
  bool is_write = false;
  std::string detail;  // the worker's words, not escaped
  ExitCounters exits;
  std::vector<PageRange> dirty_pages;  // of guest RAM, where the request asks for them
  // Characters of the VGA text page up to the last one that is not blank, as they are.
  std::string vga_text;
  std::optional<uint64_t> result;  // the last value written to the result port
};

}  // namespace hotcell

#endif  // HOTCELL_GUEST_END_H_
