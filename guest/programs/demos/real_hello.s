# Demonstration 5, real mode at 0: prints a string through [bx] to the serial port and halts.
#
#   hotcell run --mode real --load 0 real_hello.bin
        .code16
        .text
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $message, %bx
        movw    $0x3f8, %dx             # serial data
print:
        movb    (%bx), %al
        testb   %al, %al
        jz      done
        outb    %al, %dx
        incw    %bx
        jmp     print
done:
        hlt

message:
        .asciz  "Hello, KVM!\n"
