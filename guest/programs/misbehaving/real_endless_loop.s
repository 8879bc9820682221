# Never leaves the guest: only `--timeout` ends it, with 124.
        .code16
        .text
        .globl  _start
_start:
        jmp     _start
