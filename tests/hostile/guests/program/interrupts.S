// `int n` for every n.

.section .text.hostile_interrupts, "ax"

// Entry n, 4 bytes long: int n; ret.
.balign 4
.globl hostile_int_table
hostile_int_table:
.set n, 0
.rept 256
  .byte 0xcd, n  // gas would make `int $3` an INT3
  ret
  nop
  .set n, n + 1
.endr

.section .note.GNU-stack, "", @progbits
