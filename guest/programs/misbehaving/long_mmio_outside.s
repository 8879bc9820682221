# Stores far beyond RAM, where no device is: `hotcell run` ends with 122.
        .code64
        .text
        .globl  _start
_start:
        movl    $0xd0000000, %ebx
        movl    $0x12345678, %eax
        movl    %eax, (%rbx)
        hlt
