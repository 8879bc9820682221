# Demonstration 3, real mode at 0: prints a string with lodsb, echoes the serial input while the line
# status says that there is some, and ends through the exit port with code 42.
#
#   echo hi | hotcell run --mode real --load 0 --serial-input - real_serial.bin
        .code16
        .text
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        cld
        movw    $message, %si
print:
        lodsb
        testb   %al, %al
        jz      echo
        movw    $0x3f8, %dx             # serial data
        outb    %al, %dx
        jmp     print
echo:
        movw    $0x3fd, %dx             # serial line status
        inb     %dx, %al
        testb   $0x01, %al              # bit 0: a byte has arrived
        jz      leave
        movw    $0x3f8, %dx
        inb     %dx, %al
        outb    %al, %dx
        jmp     echo
leave:
        movb    $42, %al
        outb    %al, $0x01              # exit code

message:
        .asciz  "Hello from real mode!\n"
