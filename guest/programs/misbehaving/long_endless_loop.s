# Never leaves the guest: only `--timeout` ends it, with 124.
        .code64
        .text
        .globl  _start
_start:
        jmp     _start
