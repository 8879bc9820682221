// Instructions that are a kernel's, a hypervisor's or an enclave's, and the ways into a kernel.
#include <cpuid.h>

#include <cstdint>
#include <string>

#include "base/text.h"
#include "tests/hostile/guests/program/program.h"

namespace hotcell::hostile {
namespace {

#define INSTRUCTION(name, text)                                                   \
  HOSTILE_GUEST(name) {                                                           \
    asm volatile(text                                                             \
                 :                                                                \
                 : "a"(0), "b"(writable_page), "c"(0), "d"(0), "D"(writable_page) \
                 : "memory", "cc");                                               \
  }

INSTRUCTION(cli, "cli")
INSTRUCTION(sti, "sti")
INSTRUCTION(hlt, "hlt")
INSTRUCTION(cli_hlt, "cli; hlt")
INSTRUCTION(read_cr0, "movq %%cr0, %%rax")
INSTRUCTION(read_cr2, "movq %%cr2, %%rax")
INSTRUCTION(read_cr3, "movq %%cr3, %%rax")
INSTRUCTION(read_cr4, "movq %%cr4, %%rax")
INSTRUCTION(read_cr8, "movq %%cr8, %%rax")
INSTRUCTION(write_cr0, "movq %%rax, %%cr0")
INSTRUCTION(write_cr2, "movq %%rax, %%cr2")
INSTRUCTION(write_cr3, "movq %%rax, %%cr3")
INSTRUCTION(write_cr4, "movq %%rax, %%cr4")
INSTRUCTION(write_cr8, "movq %%rax, %%cr8")
INSTRUCTION(read_dr0, "movq %%dr0, %%rax")
INSTRUCTION(read_dr6, "movq %%dr6, %%rax")
INSTRUCTION(read_dr7, "movq %%dr7, %%rax")
INSTRUCTION(write_dr0, "movq %%rax, %%dr0")
INSTRUCTION(write_dr3, "movq %%rax, %%dr3")
INSTRUCTION(write_dr7, "movq %%rax, %%dr7")
INSTRUCTION(lgdt, "lgdt (%%rbx)")
INSTRUCTION(lidt, "lidt (%%rbx)")
INSTRUCTION(lldt, "lldt %%ax")
INSTRUCTION(ltr, "movl $0x40, %%eax; ltr %%ax")
INSTRUCTION(lmsw, "lmsw %%ax")
INSTRUCTION(clts, "clts")
INSTRUCTION(invd, "invd")
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(invlpg, "invlpg (%%rbx)")
INSTRUCTION(invpcid, "invpcid (%%rbx), %%rax")
INSTRUCTION(rdpmc, "rdpmc")
INSTRUCTION(xsetbv, "xsetbv")
INSTRUCTION(swapgs, "swapgs")
INSTRUCTION(monitor, "monitor")
INSTRUCTION(mwait, "mwait")
INSTRUCTION(sysexit, "sysexit")
INSTRUCTION(sysret, "sysretq")
INSTRUCTION(rsm, "rsm")
INSTRUCTION(clac, "clac")
INSTRUCTION(stac, "stac")
INSTRUCTION(vmcall, "vmcall")
INSTRUCTION(vmmcall, "vmmcall")
INSTRUCTION(vmlaunch, "vmlaunch")
INSTRUCTION(vmxon, "vmxon (%%rbx)")
INSTRUCTION(vmread, "vmread %%rax, %%rcx")
INSTRUCTION(vmrun, "vmrun")
INSTRUCTION(vmload, "vmload")
INSTRUCTION(stgi, "stgi")
INSTRUCTION(skinit, "skinit")
INSTRUCTION(encls, "encls")
INSTRUCTION(enclu, "enclu")
INSTRUCTION(getsec, "getsec")
INSTRUCTION(wrpkru, "wrpkru")
INSTRUCTION(rdfsbase, "rdfsbase %%rax")
INSTRUCTION(wrfsbase, "wrfsbase %%rax")
INSTRUCTION(senduipi, ".byte 0xf3, 0x0f, 0xc7, 0xf0")
INSTRUCTION(xbegin_abort, ".byte 0xc7, 0xf8, 0, 0, 0, 0; ud2")
INSTRUCTION(sysenter, "sysenter")
INSTRUCTION(syscall, "syscall")

HOSTILE_GUEST(syscall_without_stack) {
  asm volatile("movl $60, %%eax; xorl %%edi, %%edi; movq $0x10, %%rsp; syscall"
               :
               :
               : "rax", "rcx", "rdi", "r11", "memory");
}
HOSTILE_GUEST(rdmsr) { asm volatile("rdmsr" : : "c"(p.first) : "rax", "rdx"); }
HOSTILE_GUEST(wrmsr) { asm volatile("wrmsr" : : "c"(p.first), "a"(p.second), "d"(p.second >> 32)); }

// What IRET makes of a frame: CS `first`, RFLAGS `second`, RIP the next instruction.
HOSTILE_GUEST(iret) {
  asm volatile(
      "movl %%ss, %%eax; movq %%rsp, %%rdx; pushq %%rax; pushq %%rdx; pushq %1; pushq %0;"
      "leaq 1f(%%rip), %%rax; pushq %%rax; iretq; 1: nop; nop; ud2"
      :
      : "r"(p.first), "r"(p.second)
      : "rax", "rdx", "memory", "cc");
}
// An iret to RIP `first` with the selectors that the guest has.
HOSTILE_GUEST(iret_to) {
  asm volatile(
      "movl %%ss, %%eax; movq %%rsp, %%rdx; pushq %%rax; pushq %%rdx; pushq $2; "
      "movl %%cs, %%eax; pushq %%rax; pushq %0; iretq"
      :
      : "r"(p.first)
      : "rax", "rdx", "memory", "cc");
}
HOSTILE_GUEST(far_return) {
  asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1: ud2"
               :
               : "r"(p.first)
               : "rax", "memory");
}
HOSTILE_GUEST(far_jump) {
  struct [[gnu::packed]] {
    uint32_t offset;
    uint16_t selector;
  } target = {static_cast<uint32_t>(p.second), static_cast<uint16_t>(p.first)};
  asm volatile("ljmp *%0" : : "m"(target) : "memory");
}
HOSTILE_GUEST(far_call) {
  struct [[gnu::packed]] {
    uint32_t offset;
    uint16_t selector;
  } target = {static_cast<uint32_t>(p.second), static_cast<uint16_t>(p.first)};
  asm volatile("lcall *%0" : : "m"(target) : "memory");
}

// POPF cannot give what a CPL 3 must not have: interrupts stay as they are, IOPL 0, no virtual
// interrupts.
HOSTILE_GUEST(pop_all_flags) {
  uint64_t flags = 0;
  asm volatile("pushq $0x3f7202; popfq; pushfq; popq %0" : "=r"(flags) : : "memory", "cc");
  asm volatile("pushq $2; popfq" : : : "memory", "cc");
  Tell(StrCat("iopl ", flags >> 12 & 3, ", vm ", flags >> 17 & 1, ", vif ", flags >> 19 & 1,
              ", vip ", flags >> 20 & 1));
}

struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
Leaf Cpuid(uint32_t function, uint32_t index = 0) {
  Leaf leaf;
  __cpuid_count(function, index, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
  return leaf;
}

// Leaf `first` as text.
HOSTILE_GUEST(cpuid) {
  const Leaf leaf = Cpuid(static_cast<uint32_t>(p.first), static_cast<uint32_t>(p.second));
  Tell(StrCat(Hex(leaf.eax), " ", Hex(leaf.ebx), " ", Hex(leaf.ecx), " ", Hex(leaf.edx)));
}
// What must not be there: the bits of leaf 1 that name a hypervisor, an APIC, VMX or monitoring,
// and those of leaf 7 that name enclaves, MPX, RTM and protection keys.
HOSTILE_GUEST(cpuid_hidden) {
  const Leaf one = Cpuid(1);
  const Leaf seven = Cpuid(7);
  Tell(StrCat("hypervisor ", one.ecx >> 31 & 1, ", vmx ", one.ecx >> 5 & 1, ", monitor ",
              one.ecx >> 3 & 1, ", x2apic ", one.ecx >> 21 & 1, ", apic ", one.edx >> 9 & 1,
              ", apic id ", one.ebx >> 24, ", sgx ", seven.ebx >> 2 & 1, ", rtm ",
              seven.ebx >> 11 & 1, ", fsgsbase ", seven.ebx & 1, ", pku ", seven.ecx >> 3 & 1,
              ", max ", Hex(Cpuid(0).eax)));
}
HOSTILE_GUEST(cpuid_storm) {
  for (uint64_t i = 0; i < p.first; ++i) Cpuid(static_cast<uint32_t>(i * 0x9e3779b9), i);
}
HOSTILE_GUEST(rdtsc_storm) {
  for (uint64_t i = 0; i < p.first; ++i) asm volatile("rdtsc" : : : "rax", "rdx");
}
HOSTILE_GUEST(rdrand_storm) {
  for (uint64_t i = 0; i < p.first; ++i) asm volatile("rdrand %%rax" : : : "rax", "cc");
}
// Where the descriptor tables are, unless UMIP forbids it: no address of the host's may come.
HOSTILE_GUEST(store_descriptor_tables) {
  struct [[gnu::packed]] {
    uint16_t limit;
    uint64_t base;
  } gdt = {}, idt = {};
  asm volatile("sgdt %0; sidt %1" : "+m"(gdt), "+m"(idt));
  Tell(StrCat("gdt ", Hex(gdt.base), ", idt ", Hex(idt.base)));
}
HOSTILE_GUEST(store_machine_status) {
  uint64_t status = 0;
  asm volatile("smsw %0" : "=r"(status));
  Tell(StrCat("status ", Hex(status & 0xffff)));
}

}  // namespace
}  // namespace hotcell::hostile
