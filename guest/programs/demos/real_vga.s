# Demonstration 4, real mode at 0x1000: writes to VGA text memory, which no RAM backs, so that every
# character leaves the guest as MMIO; then halts.
#
#   hotcell run --mode real --load 0x1000 --registers --vga real_vga.bin
        .code16
        .text
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $0xb800, %ax            # segment of 0xb8000
        movw    %ax, %es
        xorw    %di, %di
        cld
        movw    $message, %si
        movb    $0x07, %ah              # light grey on black
print:
        lodsb
        testb   %al, %al
        jz      done
        movw    %ax, %es:(%di)
        addw    $2, %di
        jmp     print
done:
        hlt

message:
        .asciz  "Hello from KVM!"
