// The smallest program that says something: run it with
//
//   hotcell run --mode payload --output hello.txt build/release/guest/hello_payload.elf
#include <cstring>
#include <string_view>

#include "guest/runtime/guest/program.h"

namespace hotcell::guest {

namespace {

constexpr std::string_view kGreeting = "Hello from CPL 3!\n";
constexpr uint32_t kExitNoOutput = 1;  // started without --output

}  // namespace

uint32_t PayloadMain() {
  const abi::ArenaHeader* const arena = Arena();
  if (arena == nullptr || arena->output_capacity < kGreeting.size()) return kExitNoOutput;
  std::memcpy(ArenaBytes().data() + arena->output_offset, kGreeting.data(), kGreeting.size());
  SharedStatus()->output_size = kGreeting.size();
  return abi::kExitOk;
}

}  // namespace hotcell::guest
