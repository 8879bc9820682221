// The C names that compilers and static archives call.
#include <cstddef>

#include "guest/runtime/common/memory.h"
#include "guest/runtime/common/panic.h"
#include "guest/runtime/common/program_heap.h"

using hotcell::guest::ProgramHeap;

extern "C" {

void* memcpy(void* to, const void* from, size_t size) {
  return hotcell::guest::CopyBytes(to, from, size);
}

void* memmove(void* to, const void* from, size_t size) {
  return hotcell::guest::MoveBytes(to, from, size);
}

void* memset(void* to, int byte, size_t size) { return hotcell::guest::FillBytes(to, byte, size); }

int memcmp(const void* a, const void* b, size_t size) {
  return hotcell::guest::CompareBytes(a, b, size);
}

// What clang makes of a memcmp() of which only zero or not is asked.
int bcmp(const void* a, const void* b, size_t size) {
  return hotcell::guest::CompareBytes(a, b, size);
}

void* memchr(const void* data, int byte, size_t size) {
  return hotcell::guest::FindByte(data, byte, size);
}

size_t strlen(const char* text) { return hotcell::guest::TextLength(text); }

void* malloc(size_t size) { return ProgramHeap().Allocate(size, hotcell::guest::kHeapAlignment); }

void free(void* memory) { ProgramHeap().Free(memory); }

void* calloc(size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  void* const memory = malloc(bytes);
  if (memory != nullptr) memset(memory, 0, bytes);
  return memory;
}

void* realloc(void* memory, size_t size) { return ProgramHeap().Resize(memory, size); }

void* aligned_alloc(size_t alignment, size_t size) {
  return ProgramHeap().Allocate(size, alignment);
}

// How clang registers destructors of static objects. A payload ends with its vCPU; nothing is
// destroyed.
int atexit(void (*)()) { return 0; }

void abort() { HOTCELL_PANIC("abort() was called"); }

// NOLINTNEXTLINE(bugprone-reserved-identifier): the stack protector's name for it.
void __stack_chk_fail() { HOTCELL_PANIC("stack smashed: a stack protector's word was changed"); }

}  // extern "C"
