// The C library's memory functions for the guest, under names of their own so that native tests can
// set them beside libc's. libc.cc gives them their C names.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_MEMORY_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_MEMORY_H_

#include <cstddef>

namespace hotcell::guest {

// memmove(): the ranges may overlap.
void* MoveBytes(void* to, const void* from, size_t size);
// memcpy(), with the code of MoveBytes(): overlap costs nothing to allow below 512 bytes, and one
// comparison above.
inline void* CopyBytes(void* to, const void* from, size_t size) {
  return MoveBytes(to, from, size);
}
// memset().
void* FillBytes(void* to, int byte, size_t size);
// memcmp().
int CompareBytes(const void* a, const void* b, size_t size);
// memchr().
void* FindByte(const void* data, int byte, size_t size);
// strlen().
size_t TextLength(const char* text);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_MEMORY_H_
