// Reads, writes and jumps to where nothing is, or nothing for the guest.
#include <cstdint>

#include "tests/hostile/guests/program/program.h"

namespace hotcell::hostile {
namespace {

const uint8_t g_constants[abi::kPageSize] = {0xc3};

void Read(const volatile void* address) {
  asm volatile("movb (%0), %%al" : : "r"(address) : "rax", "memory");
}
void Write(const volatile void* address) {
  asm volatile("movb $0xc3, (%0)" : : "r"(address) : "memory");
}
void Call(const volatile void* address) {
  asm volatile("call *%0" : : "r"(address) : "memory", "cc");
}
// Puts a RET there and goes to it.
void WriteAndCall(volatile void* address) {
  Write(address);
  Call(address);
}

std::byte* ArenaEnd() { return guest::ArenaBytes().data() + guest::ArenaBytes().size(); }

HOSTILE_GUEST(read) { Read(At(p.first)); }
HOSTILE_GUEST(write) { Write(At(p.first)); }
HOSTILE_GUEST(jump) { Call(At(p.first)); }
// Atomic and wide accesses take other ways through an emulator than plain ones.
HOSTILE_GUEST(compare_exchange) {
  asm volatile("lock cmpxchg16b (%0)" : : "r"(p.first) : "rax", "rdx", "memory", "cc");
}
HOSTILE_GUEST(read_vector) { asm volatile("movups (%0), %%xmm0" : : "r"(p.first) : "xmm0"); }
HOSTILE_GUEST(copy_string) {
  uint64_t count = p.second;
  uint64_t from = p.first;
  void* to = writable_page;
  asm volatile("rep movsb" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
}
HOSTILE_GUEST(store_string) {
  uint64_t count = p.second;
  uint64_t to = p.first;
  asm volatile("rep stosb" : "+c"(count), "+D"(to) : "a"(0) : "memory");
}

HOSTILE_GUEST(return_to) { asm volatile("pushq %0; ret" : : "r"(p.first) : "memory"); }

HOSTILE_GUEST(write_text) { Write(reinterpret_cast<const void*>(&write_text)); }
HOSTILE_GUEST(write_constants) { Write(g_constants); }
HOSTILE_GUEST(write_boot_info) { Write(&guest::Boot()); }
HOSTILE_GUEST(execute_constants) { Call(g_constants); }
HOSTILE_GUEST(execute_data) { WriteAndCall(writable_page); }
HOSTILE_GUEST(execute_stack) {
  std::byte code[16];
  WriteAndCall(code);
}
HOSTILE_GUEST(execute_heap) { WriteAndCall(new std::byte[64]); }
HOSTILE_GUEST(execute_thread_page) {
  std::byte* page = nullptr;
  asm volatile("movq %%fs:0, %0" : "=r"(page));
  WriteAndCall(page + 0x100);
}
HOSTILE_GUEST(execute_arena_header) { WriteAndCall(guest::ArenaBytes().data()); }
HOSTILE_GUEST(execute_arena_end) { WriteAndCall(ArenaEnd() - 1); }
HOSTILE_GUEST(read_beyond_arena) { Read(ArenaEnd()); }
HOSTILE_GUEST(read_across_arena_end) {
  asm volatile("movq (%0), %%rax" : : "r"(ArenaEnd() - 4) : "rax");
}
HOSTILE_GUEST(read_beyond_memory) { Read(At(guest::Boot().memory_size)); }
HOSTILE_GUEST(read_before_arena) { Read(guest::ArenaBytes().data() - 1); }

HOSTILE_GUEST(overflow_stack) { asm volatile("1: pushq %%rax; jmp 1b" : : : "memory"); }
HOSTILE_GUEST(underflow_stack) { asm volatile("1: popq %%rax; jmp 1b" : : : "memory"); }
// Writes all that may be written but the stack, and all of what broker and guest share.
HOSTILE_GUEST(overwrite_arena) {
  for (std::byte& byte : guest::ArenaBytes()) byte = std::byte{0xff};
}

}  // namespace
}  // namespace hotcell::hostile
