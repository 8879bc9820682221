// Port I/O of every width and direction.
#include "guest/runtime/guest/ports.h"

#include <cstdint>

#include "tests/hostile/guests/program/program.h"

namespace hotcell::hostile {
namespace {

// `first` is the port, `second` the value.
HOSTILE_GUEST(out8) { asm volatile("outb %%al, %%dx" : : "a"(p.second), "d"(p.first)); }
HOSTILE_GUEST(out16) { asm volatile("outw %%ax, %%dx" : : "a"(p.second), "d"(p.first)); }
HOSTILE_GUEST(out32) { asm volatile("outl %%eax, %%dx" : : "a"(p.second), "d"(p.first)); }
// There is no 64-bit OUT: REX.W changes nothing.
HOSTILE_GUEST(out64) { asm volatile(".byte 0x48, 0xef" : : "a"(p.second), "d"(p.first)); }
HOSTILE_GUEST(in8) { asm volatile("inb %%dx, %%al" : : "d"(p.first) : "rax"); }
HOSTILE_GUEST(in16) { asm volatile("inw %%dx, %%ax" : : "d"(p.first) : "rax"); }
HOSTILE_GUEST(in32) { asm volatile("inl %%dx, %%eax" : : "d"(p.first) : "rax"); }
// The port in the instruction itself, which reaches the first 256 of them.
HOSTILE_GUEST(out_immediate) { asm volatile("outb %%al, $0x80" : : "a"(0)); }
HOSTILE_GUEST(in_immediate) { asm volatile("inb $0x60, %%al" : : : "rax"); }

// String I/O: `second` elements from and to a page of the program.
HOSTILE_GUEST(outs32) {
  uint64_t count = p.second;
  void* from = writable_page;
  asm volatile("rep outsl" : "+c"(count), "+S"(from) : "d"(p.first) : "memory");
}
HOSTILE_GUEST(outs8) {
  uint64_t count = p.second;
  void* from = writable_page;
  asm volatile("rep outsb" : "+c"(count), "+S"(from) : "d"(p.first) : "memory");
}
HOSTILE_GUEST(ins32) {
  uint64_t count = p.second;
  void* to = writable_page;
  asm volatile("rep insl" : "+c"(count), "+D"(to) : "d"(p.first) : "memory");
}
// String accesses from and to memory that is not the guest's: an emulator must not read it for it.
HOSTILE_GUEST(outs_from) {
  uint64_t from = p.second;
  asm volatile("outsl" : "+S"(from) : "d"(p.first) : "memory");
}
HOSTILE_GUEST(ins_to) {
  uint64_t to = p.second;
  asm volatile("insl" : "+D"(to) : "d"(p.first) : "memory");
}
// The upper half of the heap, which is zero, to one port.
HOSTILE_GUEST(outs_heap) {
  const uint64_t size = (guest::Boot().heap_end - guest::Boot().heap_begin) / 2;
  uint64_t from = guest::Boot().heap_end - size;
  uint64_t count = size / sizeof(uint32_t);
  asm volatile("rep outsl" : "+c"(count), "+S"(from) : "d"(p.first) : "memory");
}

}  // namespace
}  // namespace hotcell::hostile
