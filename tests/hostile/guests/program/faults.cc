// One guest for each exception that code at CPL 3 can raise, and for some that it cannot.
#include <cstdint>

#include "tests/hostile/guests/program/program.h"

extern "C" const char hostile_int_table[];  // interrupts.S

namespace hotcell::hostile {
namespace {

constexpr uint64_t kNonCanonical = 1ull << 63;

// #DE, by zero and by a quotient that does not fit.
HOSTILE_GUEST(divide_by_zero) { asm volatile("divl %2" : : "a"(1), "d"(0), "r"(0) : "cc"); }
HOSTILE_GUEST(divide_overflow) {
  asm volatile("cltd; idivl %1" : : "a"(INT32_MIN), "r"(-1) : "edx", "cc");
}

// #DB, by INT1, which no gate's privilege holds back, and after one instruction with TF set.
HOSTILE_GUEST(int1) { asm volatile(".byte 0xf1"); }
HOSTILE_GUEST(single_step) {
  asm volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
}
// TF set while the instruction that follows blocks the trap for one instruction.
HOSTILE_GUEST(single_step_after_mov_ss) {
  asm volatile("movl %%ss, %%eax; pushfq; orl $0x100, (%%rsp); popfq; movl %%eax, %%ss; nop; nop"
               :
               :
               : "eax", "memory", "cc");
}
HOSTILE_GUEST(int3) { asm volatile("int3"); }

// INT n: of the vectors only 3 may be raised by software.
HOSTILE_GUEST(software_interrupt) {
  asm volatile("call *%0" : : "r"(hostile_int_table + 4 * p.first) : "memory", "cc");
}
// #OF and #BR have no instruction in 64-bit mode that raises them.
HOSTILE_GUEST(into) { asm volatile(".byte 0xce"); }
HOSTILE_GUEST(bound) { asm volatile(".byte 0x62, 0x00, 0x00, 0x00, 0x00, 0x00"); }

// #UD.
HOSTILE_GUEST(ud0) { asm volatile(".byte 0x0f, 0xff, 0xc0"); }
HOSTILE_GUEST(ud1) { asm volatile(".byte 0x0f, 0xb9, 0xc0"); }
HOSTILE_GUEST(ud2) { asm volatile("ud2"); }
HOSTILE_GUEST(push_es) { asm volatile(".byte 0x06"); }
HOSTILE_GUEST(lock_on_register) { asm volatile(".byte 0xf0, 0x01, 0xc0"); }
HOSTILE_GUEST(longest_instruction) {  // 15 bytes are allowed, these are 16: #GP
  asm volatile(".fill 15, 1, 0x66; nop");
}

// #SS: a non-canonical address by way of RBP or RSP.
HOSTILE_GUEST(stack_segment) {
  asm volatile("pushq %%rbp; movq %0, %%rbp; movq (%%rbp), %%rax; popq %%rbp"
               :
               : "r"(kNonCanonical)
               : "rax", "memory");
}
HOSTILE_GUEST(push_to_non_canonical) {
  asm volatile("movq %0, %%rsp; pushq %%rax" : : "r"(kNonCanonical) : "memory");
}
// #GP: likewise by way of another register, and an SSE operand out of line.
HOSTILE_GUEST(non_canonical) {
  asm volatile("movq (%0), %%rax" : : "r"(kNonCanonical) : "rax", "memory");
}
HOSTILE_GUEST(unaligned_vector) {
  asm volatile("movaps %%xmm0, 1(%0)" : : "r"(writable_page) : "memory");
}

// #GP, #NP: selectors that are not for CPL 3, or lead to nothing, into DS and SS.
HOSTILE_GUEST(load_ds) { asm volatile("movl %0, %%ds" : : "r"(static_cast<uint32_t>(p.first))); }
HOSTILE_GUEST(load_ss) { asm volatile("movl %0, %%ss" : : "r"(static_cast<uint32_t>(p.first))); }

// #MF, #AC, #XM.
HOSTILE_GUEST(x87_exception) {
  uint16_t control = 0x037f & ~4;  // division by zero unmasked
  asm volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" : : "m"(control));
}
HOSTILE_GUEST(alignment_check) {
  asm volatile("pushfq; orl $0x40000, (%%rsp); popfq; movl 1(%0), %%eax"
               :
               : "r"(writable_page)
               : "eax", "memory", "cc");
}
HOSTILE_GUEST(simd_exception) {
  uint32_t control = 0x1f80 & ~0x200u;  // division by zero unmasked
  asm volatile(
      "ldmxcsr %0; pxor %%xmm0, %%xmm0; movl $1, %%eax; cvtsi2ss %%eax, %%xmm1; "
      "divss %%xmm0, %%xmm1"
      :
      : "m"(control)
      : "eax", "xmm0", "xmm1");
}

// The stack pointer points nowhere: the fault stubs have a stack of their own.
HOSTILE_GUEST(ud2_without_stack) {
  asm volatile("movq %0, %%rsp; ud2" : : "r"(p.first) : "memory");
}
// A fault on a vCPU other than the first.
HOSTILE_GUEST(last_vcpu_faults) {
  const uint32_t last = guest::Team().count() - 1;
  OnAllLanes([last](uint32_t lane) {
    if (lane == last) asm volatile("ud2");
    for (;;) asm volatile("pause");
  });
}

}  // namespace
}  // namespace hotcell::hostile
