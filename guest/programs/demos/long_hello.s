# Demonstration 1, 64-bit. Loaded and entered at 0x10000 with the flat segments and identity mapping
# that `hotcell run --mode long` sets up; prints one line to the serial port and halts.
#
#   hotcell run --mode long --load 0x10000 --verbose long_hello.bin
        .code64
        .text
        .globl  _start
_start:
        leaq    message(%rip), %rsi
        movw    $0x3f8, %dx             # serial data
next:
        lodsb
        testb   %al, %al
        jz      done
        outb    %al, %dx
        jmp     next
done:
        hlt

message:
        .asciz  "Hello from KVM guest!\n"
