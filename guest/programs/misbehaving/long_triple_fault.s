# An invalid instruction, and no interrupt descriptor table that could deliver the exception:
# `hotcell run` ends with 123.
        .code64
        .text
        .globl  _start
_start:
        lidt    descriptor(%rip)
        ud2
        hlt

descriptor:
        .word   0                       # limit
        .quad   0                       # base
