# With `--mem 5M`, the page tables (2 MiB a page) map one MiB more than there is RAM, and no device
# is there: `hotcell run` ends with 122.
        .code64
        .text
        .globl  _start
_start:
        movl    $0x580000, %ebx
        movl    $0x12345678, %eax
        movl    %eax, (%rbx)
        hlt
