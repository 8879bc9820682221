# An interrupt with an interrupt vector table of no size: it faults, and so does every attempt to
# deliver that fault. `hotcell run` ends with 123.
        .code16
        .text
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        lidtw   descriptor
        int     $0x21
        hlt

descriptor:
        .word   0                       # limit
        .long   0                       # base
