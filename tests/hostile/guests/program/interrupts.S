// `int n` for every n, and other code that no compiler makes.

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

// An instruction that begins within the program's text and ends after its last page is laid by the
// test at run time; this one does nothing and returns, for jumps that are allowed.
.globl hostile_return
hostile_return:
  ret

.section .note.GNU-stack, "", @progbits
