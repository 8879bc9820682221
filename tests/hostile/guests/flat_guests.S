// Bare-metal programs that misbehave, for flat_test.cc: each is loaded alone, the 16-bit ones at 0x1000, the 64-bit ones at 0x10000.

.macro GUEST name
  .balign 16
  .globl flat_\name
flat_\name:
.endm
.macro END name
  .globl flat_\name\()_end
flat_\name\()_end:
.endm

.section .rodata

.code16
// Interrupts off, and asleep.
GUEST real_cli_hlt
  cli
  hlt
END real_cli_hlt
// Writes VGA text memory for ever.
GUEST real_vga_storm
  movw $0xb800, %ax
  movw %ax, %es
1:
  xorw %di, %di
  movw $2000, %cx
  movw $0x0f1b, %ax
  cld
  rep stosw
  jmp 1b
END real_vga_storm
// Writes to the serial port for ever, nothing but escapes and ends of lines.
GUEST real_serial_flood
  movw $0x3f8, %dx
1:
  movb $0x1b, %al
  outb %al, %dx
  movb $'\n', %al
  outb %al, %dx
  jmp 1b
END real_serial_flood
// Reads the serial port that has nothing to say for ever.
GUEST real_serial_read_storm
  movw $0x3f8, %dx
1:
  inb %dx, %al
  jmp 1b
END real_serial_read_storm
// Ports of a PC, in the order of their numbers: the first that is not there ends it.
GUEST real_port_scan
  xorw %dx, %dx
1:
  inb %dx, %al
  incw %dx
  jmp 1b
END real_port_scan
// To the payload's doorbell, which real mode does not have.
GUEST real_doorbell
  movw $0x510, %dx
  xorl %eax, %eax
  outl %eax, %dx
END real_doorbell
// Enters protected mode with an empty descriptor table.
GUEST real_protected_mode
  cli
  lgdt %cs:flat_no_gdt - flat_real_protected_mode + 0x1000
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $8, $0x1000
flat_no_gdt:
  .word 0, 0, 0
END real_protected_mode

.code64
GUEST long_ud2
  ud2
END long_ud2
// Takes the page tables away from below itself.
GUEST long_no_page_tables
  movq $0x7ffff000, %rax
  movq %rax, %cr3
  movq 0x1000, %rax
END long_no_page_tables
GUEST long_local_apic
  movl $0xfee00000, %eax
  movl (%rax), %ebx
END long_local_apic
GUEST long_write_apic_base
  movl $0x1b, %ecx
  xorl %eax, %eax
  xorl %edx, %edx
  wrmsr
END long_write_apic_base
GUEST long_exit_port_of_payloads
  movl $0x518, %edx
  xorl %eax, %eax
  outl %eax, %dx
END long_exit_port_of_payloads

.section .note.GNU-stack, "", @progbits
