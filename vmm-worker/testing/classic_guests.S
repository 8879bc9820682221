// Bare-metal programs of a few instructions each, for worker_classic_test.cc. Tests load a whole
// block, the 16-bit one at 0x1000, the 64-bit one at 0x10000, and start one of its programs.

.set kRealLoad, 0x1000
.set kSerial, 0x3f8
.set kLineStatus, 0x3fd
.set kExit, 0x01
.set kResult, 0xeff
.set kVga, 0xb8000

.macro GUEST mode, name
  .balign 16
  .globl \mode\()_\name
\mode\()_\name:
.endm

.section .rodata
.balign 16

// ---- Real mode ----------------------------------------------------------------------------------

.code16
.globl real_guests_begin
real_guests_begin:

GUEST real, halt
  movw $0x1234, %ax
  hlt
GUEST real, exit_42
  movb $42, %al
  outb %al, $kExit
  hlt
GUEST real, exit_word
  movw $0x1234, %ax
  outw %ax, $kExit
GUEST real, result
  movw $kResult, %dx
  movw $7, %ax
  outw %ax, %dx
  movw $210, %ax
  outw %ax, %dx
  hlt
// A line by `rep outsb`, then a byte that waits for the end.
GUEST real, print
  movw $real_line - real_guests_begin + kRealLoad, %si
  movw $real_line_end - real_line, %cx
  movw $kSerial, %dx
  cld
  rep outsb
  movb $'!', %al
  outb %al, %dx
  hlt
real_line:
  .ascii "a line\nand more"
real_line_end:
// 1000 bytes without a line's end.
GUEST real, print_much
  movw $kSerial, %dx
  movw $1000, %cx
  movb $'x', %al
1:
  outb %al, %dx
  loop 1b
  hlt
// Copies what it reads to what it writes, while the line status says that there is something.
GUEST real, echo
1:
  movw $kLineStatus, %dx
  inb %dx, %al
  testb $0x20, %al
  jz 2f
  testb $1, %al
  jz 2f
  movw $kSerial, %dx
  inb %dx, %al
  outb %al, %dx
  jmp 1b
2:
  hlt
// Writes to VGA text memory and reads back from it.
GUEST real, vga
  movw $kVga >> 4, %ax
  movw %ax, %es
  movw $0x0700 + 'H', %ax
  movw %ax, %es:0
  movb $'i', %es:2
  movb $'.', %es:2 * (80 * 25 - 1)
  movw %es:0, %bx
  movw %bx, %ax
  movw $kResult, %dx
  outw %ax, %dx
  hlt
// Writes three pages of RAM.
GUEST real, dirty
  movb $1, 0x5000
  movb $1, 0x6000
  movb $1, 0x8000
  hlt
GUEST real, unknown_out
  movw $0xbeef, %ax
  movw $0x1f0, %dx
  outw %ax, %dx
GUEST real, unknown_in
  movw $0x60, %dx
  inb %dx, %al
GUEST real, beyond_vga
  movw $kVga >> 4, %ax
  movw %ax, %es
  movb $1, %es:4000
GUEST real, loop
1:
  jmp 1b
// Needs a stack that works.
GUEST real, stack
  movw $0x77, %ax
  pushw %ax
  xorw %ax, %ax
  call 1f
  popw %ax
  outb %al, $kExit
1:
  ret

.globl real_guests_end
real_guests_end:

// ---- Long mode ----------------------------------------------------------------------------------

.code64
.balign 16
.globl long_guests_begin
long_guests_begin:

GUEST long, halt
  hlt
GUEST long, exit_42
  movb $42, %al
  outb %al, $kExit
GUEST long, state
  cmpq $0x2fff8, %rsp
  jne 1f
  movq %cs, %rax
  cmpq $8, %rax
  jne 1f
  movq %cr3, %rax
  cmpq $0x2000, %rax
  jne 1f
  pushq %rax
  popq %rax
  movb $0, %al
  outb %al, $kExit
1:
  movb $1, %al
  outb %al, $kExit
GUEST long, hello
  leaq long_text(%rip), %rbx
  movl $kSerial, %edx
1:
  movb (%rbx), %al
  testb %al, %al
  jz 2f
  outb %al, %dx
  incq %rbx
  jmp 1b
2:
  hlt
long_text:
  .asciz "Hello from KVM guest!\n"
// Reads the first word of the arena and writes it behind.
GUEST long, arena
  movq (%rdi), %rax
  movq %rax, 8(%rdi)
  movb $0, %al
  outb %al, $kExit
GUEST long, triple_fault
  ud2
GUEST long, beyond_memory
  movl $0x40000000, %eax
  movb $1, -1(%rax)
GUEST long, rdmsr
  movl $0x10, %ecx
  rdmsr
  hlt
GUEST long, wrmsr
  movl $0xc0000080, %ecx
  xorl %eax, %eax
  xorl %edx, %edx
  wrmsr
  hlt
// Hypercalls of either vendor: with status 2 where the processor has it, and an exception where not;
// status 1: somebody has written over the instruction.
.macro HYPERCALL instruction, last_byte
  movl $99, %eax
1:
  \instruction
  cmpb $\last_byte, 1b+2(%rip)
  jne 2f
  movb $2, %al
  outb %al, $kExit
2:
  movb $1, %al
  outb %al, $kExit
.endm
GUEST long, vmcall
  HYPERCALL vmcall, 0xc1
GUEST long, vmmcall
  HYPERCALL vmmcall, 0xd9
GUEST long, monitor
  xorl %ecx, %ecx
  xorl %edx, %edx
  leaq long_text(%rip), %rax
  monitor
  hlt
GUEST long, mwait
  xorl %ecx, %ecx
  xorl %eax, %eax
  mwait
  hlt
GUEST long, task_priority
  movl $5, %eax
  movq %rax, %cr8
  xorl %eax, %eax
  movq %rax, %cr8
  movb $42, %al
  outb %al, $kExit

.globl long_guests_end
long_guests_end:

.section .note.GNU-stack, "", @progbits
