// Long mode with an arena: turns the letters of --input into capitals and leaves them as --output.
//
//   hotcell run --mode long --input in.txt --output out.txt long_upper.elf
#include "guest/abi/abi.h"

namespace {

using hotcell::abi::ArenaHeader;
using hotcell::abi::GuestStatus;
using hotcell::abi::kArenaGpa;
using hotcell::abi::kPortRunExit;

template <typename T>
volatile T* At(uint64_t address) {
  return reinterpret_cast<volatile T*>(address);
}

[[noreturn]] void Exit(uint8_t code) {
  while (true)
    __asm__ volatile("outb %0, %1" : : "a"(code), "Nd"(static_cast<uint16_t>(kPortRunExit)));
}

}  // namespace

extern "C" [[noreturn]] __attribute__((section(".text.start"))) void _start() {
  const volatile ArenaHeader* header = At<ArenaHeader>(kArenaGpa);
  const uint64_t size = header->input_size;
  if (size > header->output_capacity) Exit(1);

  const volatile uint8_t* input = At<uint8_t>(kArenaGpa + header->input_offset);
  volatile uint8_t* output = At<uint8_t>(kArenaGpa + header->output_offset);
  for (uint64_t i = 0; i < size; ++i) {
    const uint8_t byte = input[i];
    output[i] = byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte;
  }
  At<GuestStatus>(kArenaGpa + header->status_offset)->output_size = size;
  Exit(0);
}
