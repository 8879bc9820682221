// Exercises the run-time where it is meant to run. The first byte of the input area says which
// check; see tests/payload/runtime_check_test.cc.
#include <immintrin.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/text.h"
#include "guest/runtime/common/panic.h"
#include "guest/runtime/guest/program.h"

namespace hotcell::guest {

namespace {

// Static initialisers run once, in order, and may allocate.
int g_initialised = 0;
const std::string g_text = StrCat("made before ", "PayloadMain, ", ++g_initialised, " time");

void Print(std::string_view text) {
  abi::GuestStatus& status = *SharedStatus();
  HOTCELL_CHECK(status.output_size + text.size() <= Arena()->output_capacity);
  std::memcpy(ArenaBytes().data() + Arena()->output_offset + status.output_size, text.data(),
              text.size());
  status.output_size += text.size();
}

class SumTask final : public LaneTeam::Task {
 public:
  void Run(uint32_t lane) override {
    // Allocations of all lanes at once.
    std::vector<uint64_t> numbers;
    for (uint64_t i = 0; i < 20'000; ++i) numbers.push_back(i + lane);
    for (const uint64_t number : numbers) sums[lane] += number;
  }

  uint64_t sums[abi::kMaxLanes] = {};
};

void RunOnAllLanes() {
  for (int round = 0; round < 50; ++round) {
    SumTask task;
    Team().RunOnAll(task);
    for (uint32_t lane = 0; lane < Team().count(); ++lane) {
      HOTCELL_CHECK(task.sums[lane] == 20'000ull * 19'999 / 2 + 20'000ull * lane);
    }
  }
  Print(StrCat(Team().count(), " lanes"));
}

__attribute__((target("avx2"))) uint64_t SumWithAvx2(const uint64_t (&numbers)[4]) {
  const __m256i twice =
      _mm256_add_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers)),
                       _mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers)));
  uint64_t out[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), twice);
  return out[0] + out[1] + out[2] + out[3];
}

void CheckFeatures() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return Print("no AVX2");
  Print(SumWithAvx2({1, 2, 3, 4}) == 20 ? "AVX2" : "AVX2 is wrong");
}

// Writes `size` bytes into an array of 16.
__attribute__((noinline)) void SmashStack(size_t size) {
  [[maybe_unused]] volatile char small[16];
  asm("" : "+r"(size));
  for (size_t i = 0; i < size; ++i) small[i] = 'A';
}

[[noreturn]] void UseUpMemory() {
  std::vector<std::vector<char>> blocks;
  for (;;) blocks.emplace_back(1 << 20);
}

}  // namespace

uint32_t PayloadMain() {
  HOTCELL_CHECK(Arena() != nullptr && Arena()->input_size == 1);
  switch (static_cast<char>(ArenaBytes()[Arena()->input_offset])) {
    case 'i':
      Print(g_text);
      return abi::kExitOk;
    case 'l':
      RunOnAllLanes();
      return abi::kExitOk;
    case 'f':
      CheckFeatures();
      return abi::kExitOk;
    case 'p':
      HOTCELL_PANIC("the text of a panic");
    case 's':
      SmashStack(64);
      return abi::kExitOk;
    case 'm':
      UseUpMemory();
    case 'a':
      std::abort();
    default:
      return 99;
  }
}

}  // namespace hotcell::guest
