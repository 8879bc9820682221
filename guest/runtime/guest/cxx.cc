// What C++ code that is compiled without exceptions still calls of its run-time: operator new and
// delete, and the library's ways of throwing, which end the job.
#include <cstddef>
#include <new>
#include <string>

#include "guest/runtime/common/heap.h"
#include "guest/runtime/common/panic.h"
#include "guest/runtime/common/program_heap.h"

namespace {

void* AllocateOrEnd(size_t size, size_t alignment) {
  void* const memory = hotcell::guest::ProgramHeap().Allocate(size, alignment);
  if (memory == nullptr) [[unlikely]]
    hotcell::guest::OutOfMemory(size);
  return memory;
}

void* Allocate(size_t size) { return AllocateOrEnd(size, hotcell::guest::kHeapAlignment); }

void* Allocate(size_t size, std::align_val_t alignment) {
  return AllocateOrEnd(size, static_cast<size_t>(alignment));
}

void Free(void* memory) { hotcell::guest::ProgramHeap().Free(memory); }

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) { return Allocate(size, alignment); }
void* operator new[](size_t size, std::align_val_t alignment) { return Allocate(size, alignment); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return hotcell::guest::ProgramHeap().Allocate(size, hotcell::guest::kHeapAlignment);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return hotcell::guest::ProgramHeap().Allocate(size, hotcell::guest::kHeapAlignment);
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { Free(memory); }

// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): names of the C++
// run-time and of libstdc++.
extern "C" void __cxa_pure_virtual() { HOTCELL_PANIC("a pure virtual function was called"); }

namespace std {

const nothrow_t nothrow{};

void __throw_logic_error(const char* what) { HOTCELL_PANIC(what); }
void __throw_length_error(const char* what) { HOTCELL_PANIC(what); }
void __throw_out_of_range(const char* what) { HOTCELL_PANIC(what); }
void __throw_out_of_range_fmt(const char* format, ...) { HOTCELL_PANIC(format); }
void __throw_invalid_argument(const char* what) { HOTCELL_PANIC(what); }
void __throw_bad_alloc() { hotcell::guest::OutOfMemory(0); }
void __throw_bad_array_new_length() { HOTCELL_PANIC("an array longer than memory"); }
void __throw_bad_function_call() { HOTCELL_PANIC("an empty std::function was called"); }
void __throw_bad_optional_access() { HOTCELL_PANIC("an empty std::optional was read"); }
void __throw_bad_variant_access(const char* what) { HOTCELL_PANIC(what); }
void __glibcxx_assert_fail(const char* file, int line, const char*, const char* what) noexcept {
  hotcell::guest::Panic(file, line, what);
}
// The headers say that the library has these members; there is no library.
template class basic_string<char>;

}  // namespace std
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
