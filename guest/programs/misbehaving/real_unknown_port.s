# Writes to a port that no device answers: `hotcell run` ends with 121.
        .code16
        .text
        .globl  _start
_start:
        movw    $0x1234, %dx
        movb    $0x56, %al
        outb    %al, %dx
        hlt
