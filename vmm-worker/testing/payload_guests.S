// Payloads of a few instructions each, for worker_payload_test.cc. All of them lie in one block,
// which tests load at 0x200000, executable; a page of data is at 0x300000, read-write, one of
// constants at 0x400000, read-only. Each starts as a payload does: RDI is the boot info, RSP as after
// a call.

.set kPortDoorbell, 0x510
.set kPortWait, 0x514
.set kPortExit, 0x518
.set kPortCrash, 0x51c
.set kPortWakeLane, 0x520
.set kData, 0x300000
.set kConstants, 0x400000
.set kSupervisorPage, 0x1000
.set kPageTables, 0x40000
.set kVcpuIndex, 4    // offsets in abi::BootInfo
.set kVcpuCount, 8
.set kMemorySize, 16
.set kHeapBegin, 24
.set kHeapEnd, 32
.set kArenaBase, 40
.set kArenaSize, 48

.macro GUEST name
  .balign 16
  .globl payload_\name
payload_\name:
.endm

.macro EXIT code
  movl $\code, %eax
  movl $kPortExit, %edx
  outl %eax, %dx
  ud2
.endm

// Exits with `code` unless the flags say `condition`.
.macro REQUIRE condition, code
  j\condition 1f
  EXIT \code
1:
.endm

.section .rodata
.balign 16
.globl payload_guests_begin
payload_guests_begin:

GUEST exit_0
  EXIT 0
GUEST exit_42
  EXIT 42

// What the ABI promises about the start of a vCPU.
GUEST abi
  cmpl $1, (%rdi)
  REQUIRE e, 1
  cmpl $0, kVcpuIndex(%rdi)
  REQUIRE e, 2
  leaq 8(%rsp), %rax
  testq $15, %rax
  REQUIRE z, 3
  cmpq $0, (%rsp)
  REQUIRE e, 4
  cmpq $0, %fs:0x28
  REQUIRE ne, 5
  movq kHeapBegin(%rdi), %rbx
  testq $4095, %rbx
  REQUIRE z, 6
  cmpq $0, (%rbx)
  REQUIRE e, 7
  movq kHeapEnd(%rdi), %rax
  cmpq $0, -8(%rax)
  REQUIRE e, 8
  movq %rbx, -8(%rax)
  movl $0x100000000 >> 12, %ecx
  shlq $12, %rcx
  cmpq %rcx, kArenaBase(%rdi)
  REQUIRE e, 9
  movl %cs, %eax
  andl $3, %eax
  cmpl $3, %eax
  REQUIRE e, 10
  // Everything that may be written may be: stack, thread page, data, arena.
  movq $1, -0x20000(%rsp)
  movq $1, %fs:0x100
  movq $1, kData
  movq kArenaBase(%rdi), %rax
  addq kArenaSize(%rdi), %rax
  movq $1, -8(%rax)
  EXIT 0

// The vector units: AVX and, where CPUID shows it, AVX-512.
GUEST vectors
  movl $1, %eax
  xorl %ecx, %ecx
  cpuid
  movl %ecx, %esi
  xorl %ecx, %ecx
  xgetbv
  movl %eax, %edi
  testl $4, %edi
  jz 2f
  btl $28, %esi
  REQUIRE c, 1
  vxorpd %ymm0, %ymm0, %ymm0
  vaddpd %ymm0, %ymm0, %ymm1
2:
  testl $0x80, %edi
  jz 2f
  vpxord %zmm16, %zmm16, %zmm16
2:
  EXIT 0

GUEST divide_by_zero
  xorl %edx, %edx
  movl $0x1234, %eax
  xorl %ecx, %ecx
.globl payload_divide_instruction
payload_divide_instruction:
  divl %ecx
GUEST invalid_opcode
  movq $0x5555, %rdx
  movq $0x7777, %rbx
  ud2
GUEST breakpoint
  int3
GUEST non_canonical
  movq $0x8000000000000000, %rax
  movq (%rax), %rax
GUEST simd_exception
  stmxcsr kData
  andl $~0x200, kData  // unmask division by zero
  ldmxcsr kData
  pxor %xmm0, %xmm0
  movl $1, %eax
  cvtsi2ss %eax, %xmm1
  divss %xmm0, %xmm1
GUEST read_null
  movq 0, %rax
GUEST write_null
  movq %rax, 8
GUEST call_null
  xorl %eax, %eax
  jmp *%rax
GUEST write_text
  movq %rax, payload_guests_begin - payload_guests_begin + 0x200000
GUEST write_constants
  movq %rax, kConstants
GUEST write_boot_info
  movq %rax, (%rdi)
GUEST execute_data
  movb $0xc3, kData
  movl $kData, %eax
  call *%rax
GUEST execute_constants
  movl $kConstants, %eax
  call *%rax
GUEST execute_stack
  leaq -64(%rsp), %rax
  movb $0xc3, (%rax)
  call *%rax
GUEST execute_heap
  movq kHeapBegin(%rdi), %rax
  movb $0xc3, (%rax)
  call *%rax
GUEST execute_arena
  movq kArenaBase(%rdi), %rax
  movb $0xc3, (%rax)
  call *%rax
GUEST read_supervisor
  movq kSupervisorPage, %rax
GUEST write_supervisor
  movq %rax, kSupervisorPage
GUEST call_supervisor
  movl $0x3000, %eax
  call *%rax
GUEST read_page_tables
  movq kPageTables, %rax
GUEST read_beyond_arena
  movq kArenaBase(%rdi), %rax
  addq kArenaSize(%rdi), %rax
  movb (%rax), %al
GUEST read_beyond_memory
  movq kMemorySize(%rdi), %rax
  movb (%rax), %al
GUEST overflow_stack
  pushq %rax
  jmp payload_overflow_stack
// A stack pointer into nowhere must not matter to the fault stubs.
GUEST bad_stack_pointer
  movq $0x10, %rsp
  ud2

GUEST out_unknown_port
  xorl %eax, %eax
  outb %al, $0x80
GUEST in_unknown_port
  movl $0x3fd, %edx
  inb %dx, %al
GUEST out_crash_port
  movl $kPortCrash, %edx
  outb %al, %dx
// Starts in a granted port and ends in the crash port.
GUEST out_across_ports
  movl $kPortCrash - 2, %edx
  outl %eax, %dx
GUEST out_high_port
  movl $0xffff, %edx
  outb %al, %dx
GUEST in_exit_port
  movl $kPortExit, %edx
  inl %dx, %eax
GUEST out_exit_port_byte
  movl $kPortExit, %edx
  movb $7, %al
  outb %al, %dx
GUEST outs_exit_port
  movl $kPortExit, %edx
  movl $kData, %esi
  movl $4, %ecx
  cld
  rep outsl

GUEST hlt
  hlt
GUEST cli
  cli
GUEST rdmsr
  movl $0xc0000080, %ecx
  rdmsr
GUEST wrmsr
  movl $0xc0000100, %ecx
  wrmsr
GUEST move_cr3
  movq %rax, %cr3
GUEST load_gdt
  lgdt kData
GUEST xsetbv
  xorl %ecx, %ecx
  xorl %edx, %edx
  movl $1, %eax
  xsetbv
GUEST interrupt_80
  int $0x80
GUEST syscall
  movq $0x10, %rsp
  syscall
GUEST sysenter
  sysenter
GUEST vmcall
  vmcall
  ud2

GUEST loop
1:
  incq %rbx
  jmp 1b

GUEST wait
  movl kVcpuIndex(%rdi), %eax
  movl $kPortWait, %edx
  outl %eax, %dx
  EXIT 0
GUEST wait_forever
  movl kVcpuIndex(%rdi), %eax
  movl $kPortWait, %edx
1:
  outl %eax, %dx
  jmp 1b
GUEST wait_for_another_lane
  movl $1, %eax
  movl $kPortWait, %edx
  outl %eax, %dx
GUEST ring_doorbell
  movl kVcpuIndex(%rdi), %eax
  movl $kPortDoorbell, %edx
  outl %eax, %dx
  outl %eax, %dx
  outl %eax, %dx
  EXIT 0
GUEST ring_and_loop
  movl kVcpuIndex(%rdi), %eax
  movl $kPortDoorbell, %edx
  outl %eax, %dx
1:
  jmp 1b
GUEST ring_unknown_doorbell
  movl $99, %eax
  movl $kPortDoorbell, %edx
  outl %eax, %dx

// Each vCPU but the first leaves a mark and parks; the first waits for all the marks.
GUEST all_vcpus
  movl kVcpuIndex(%rdi), %ecx
  movl kVcpuCount(%rdi), %ebx
  cmpl $0, %ecx
  je 2f
  lock incl kData
  EXIT 0
2:
  decl %ebx
1:
  pause
  cmpl %ebx, kData
  jne 1b
  EXIT 7
// The last vCPU fails while the others are busy.
GUEST last_vcpu_exits_9
  movl kVcpuIndex(%rdi), %ecx
  incl %ecx
  cmpl %ecx, kVcpuCount(%rdi)
  je 2f
1:
  pause
  jmp 1b
2:
  EXIT 9
GUEST last_vcpu_faults
  movl kVcpuIndex(%rdi), %ecx
  incl %ecx
  cmpl %ecx, kVcpuCount(%rdi)
  je 2f
1:
  pause
  jmp 1b
2:
  ud2
// vCPU 1 ends the wait of vCPU 0.
GUEST wake_lane
  cmpl $0, kVcpuIndex(%rdi)
  je 2f
  xorl %eax, %eax
  movl $kPortWakeLane, %edx
  outl %eax, %dx
  EXIT 0
2:
  xorl %eax, %eax
  movl $kPortWait, %edx
  outl %eax, %dx
  EXIT 5

.globl payload_guests_end
payload_guests_end:

.section .note.GNU-stack, "", @progbits
