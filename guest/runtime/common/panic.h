// The end of a job that cannot go on: a broken invariant or no memory left. Never for bad input,
// which is a Status.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_PANIC_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_PANIC_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hotcell::guest {

// In the guest: leaves "file:line: text" in GuestStatus and ends the job with kExitPanic. Natively:
// prints it and aborts.
[[noreturn]] void Panic(const char* file, int line, std::string_view text);

// A request for `bytes` that the heap could not meet. In the guest the job ends with
// kExitOutOfMemory and a text that names the limit.
[[noreturn]] void OutOfMemory(size_t bytes);

}  // namespace hotcell::guest

#define HOTCELL_PANIC(text) ::hotcell::guest::Panic(__FILE_NAME__, __LINE__, text)

// Holds in every build.
#define HOTCELL_CHECK(condition)                  \
  do {                                            \
    if (!(condition)) [[unlikely]]                \
      HOTCELL_PANIC("check failed: " #condition); \
  } while (false)

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_PANIC_H_
