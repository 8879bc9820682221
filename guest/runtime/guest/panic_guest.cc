#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>

#include "guest/abi/abi.h"
#include "guest/runtime/common/panic.h"
#include "guest/runtime/common/spinlock.h"
#include "guest/runtime/guest/ports.h"
#include "guest/runtime/guest/program.h"

namespace hotcell::guest {

namespace {

// One lane tells why; the job ends before others could.
constinit std::atomic<bool> g_ending = false;

void BecomeTheLastWord() {
  if (!g_ending.exchange(true)) return;
  for (;;) CpuRelax();
}

// Builds the text in place: a panic has no heap to rely on.
class PanicText {
 public:
  explicit PanicText(abi::GuestStatus* status) : status_(status) {}

  PanicText& Add(std::string_view text) {
    if (status_ == nullptr) return *this;
    const size_t size = std::min(text.size(), sizeof(status_->panic_text) - size_);
    std::memcpy(status_->panic_text + size_, text.data(), size);
    size_ += size;
    return *this;
  }

  PanicText& Add(uint64_t number) {
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
    return Add(std::string_view(digits, static_cast<size_t>(end - digits)));
  }

  [[noreturn]] void Exit(uint32_t code) {
    if (status_ != nullptr) status_->panic_size = static_cast<uint32_t>(size_);
    ExitVcpu(code);
  }

 private:
  abi::GuestStatus* const status_;
  size_t size_ = 0;
};

}  // namespace

void Panic(const char* file, int line, std::string_view text) {
  BecomeTheLastWord();
  PanicText(SharedStatus())
      .Add(std::string_view(file))
      .Add(":")
      .Add(static_cast<uint64_t>(line))
      .Add(": ")
      .Add(text)
      .Exit(abi::kExitPanic);
}

void OutOfMemory(size_t bytes) {
  BecomeTheLastWord();
  PanicText(SharedStatus())
      .Add("out of guest memory: no ")
      .Add(bytes)
      .Add(" bytes left of ")
      .Add(Boot().memory_size >> 20)
      .Add(" MiB")
      .Exit(abi::kExitOutOfMemory);
}

}  // namespace hotcell::guest
