#include <cstdio>
#include <cstdlib>

#include "guest/runtime/common/panic.h"

namespace hotcell::guest {

void Panic(const char* file, int line, std::string_view text) {
  std::fprintf(stderr, "%s:%d: %.*s\n", file, line, static_cast<int>(text.size()), text.data());
  std::abort();
}

void OutOfMemory(size_t bytes) {
  std::fprintf(stderr, "out of memory: %zu bytes asked for\n", bytes);
  std::abort();
}

}  // namespace hotcell::guest
