// The payload of conversions and inspections: the transcoder, without its symbols.
.section .rodata
.balign 4096
.globl hotcell_builtin_program_begin
.globl hotcell_builtin_program_end
hotcell_builtin_program_begin:
.incbin HOTCELL_BUILTIN_PROGRAM
hotcell_builtin_program_end:

.section .note.GNU-stack, "", @progbits
