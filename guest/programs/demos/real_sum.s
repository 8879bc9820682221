# Demonstration 2, real mode at 0x1000: adds 0 to 20, stores the sum, writes it to the result port
# and halts. The store is what `--dirty-pages` shows.
#
#   hotcell run --mode real --load 0x1000 --dirty-pages --verbose real_sum.bin
        .code16
        .text
        .globl  _start
_start:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $20, %cx
add:
        addw    %cx, %ax
        loop    add                     # ends at 0, which adds nothing
        movw    %ax, 0x3000
        movw    $0xeff, %dx             # result
        outw    %ax, %dx
        hlt
