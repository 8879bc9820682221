// Where a payload begins, on every vCPU: the state of the program, its heap and its team are set up
// by vCPU 0, the others wait and then serve.
#include <atomic>
#include <new>

#include "guest/runtime/common/lane_team.h"
#include "guest/runtime/common/panic.h"
#include "guest/runtime/common/program_heap.h"
#include "guest/runtime/common/spinlock.h"
#include "guest/runtime/guest/ports.h"
#include "guest/runtime/guest/program.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the linker script's names.
extern "C" {
using Initialiser = void (*)();
extern const Initialiser __init_array_start[];
extern const Initialiser __init_array_end[];
void _start(const hotcell::abi::BootInfo* boot);
}
// NOLINTEND(bugprone-reserved-identifier)

namespace hotcell::guest {

namespace {

class HardwarePort final : public LanePort {
 public:
  void Doorbell(uint32_t lane) override { Out32(abi::kPortDoorbell, lane); }
  void Wait(uint32_t lane) override { Out32(abi::kPortWait, lane); }
  void Wake(uint32_t lane) override { Out32(abi::kPortWakeLane, lane); }
};

// Room for an object that is made once at run time and never destroyed. Static initialisers of the
// program may allocate, so none of these may depend on one.
template <typename T>
struct Late {
  alignas(T) std::byte bytes[sizeof(T)];

  template <typename... Args>
  void Make(Args&&... args) {
    new (bytes) T(static_cast<Args&&>(args)...);
  }
  T& get() { return *std::launder(reinterpret_cast<T*>(bytes)); }
};

constinit const abi::BootInfo* g_boot = nullptr;
constinit Late<HardwarePort> g_port = {};
constinit Late<Heap> g_heap = {};
constinit Late<LaneTeam> g_team = {};
constinit std::atomic<bool> g_team_made = false;

// The addresses in BootInfo are numbers.
std::byte* BytesAt(uint64_t address) {
  return reinterpret_cast<std::byte*>(address);  // NOLINT(performance-no-int-to-ptr)
}

void SetUp(const abi::BootInfo* boot) {
  g_boot = boot;
  g_port.Make();
  g_heap.Make(std::span<std::byte>(BytesAt(boot->heap_begin), boot->heap_end - boot->heap_begin));
  g_team.Make(boot->vcpu_count, g_port.get());
}

[[noreturn]] void RunVcpu0(const abi::BootInfo* boot) {
  SetUp(boot);
  HOTCELL_CHECK(boot->version == abi::kVersion);
  for (const Initialiser* init = __init_array_start; init != __init_array_end; ++init) (*init)();
  g_team_made.store(true, std::memory_order_release);
  ExitVcpu(PayloadMain());
}

[[noreturn]] void RunOther(const abi::BootInfo* boot) {
  while (!g_team_made.load(std::memory_order_acquire)) CpuRelax();
  g_team.get().Serve(boot->vcpu_index);
  ExitVcpu(abi::kExitOk);
}

}  // namespace

const abi::BootInfo& Boot() { return *g_boot; }

const abi::ArenaHeader* Arena() {
  return reinterpret_cast<const abi::ArenaHeader*>(ArenaBytes().data());
}

std::span<std::byte> ArenaBytes() {
  if (g_boot == nullptr || g_boot->arena_size == 0) return {};
  return {BytesAt(g_boot->arena_base), g_boot->arena_size};
}

abi::GuestStatus* SharedStatus() {
  const abi::ArenaHeader* const arena = Arena();
  if (arena == nullptr || arena->magic != abi::kArenaMagic) return nullptr;
  return reinterpret_cast<abi::GuestStatus*>(ArenaBytes().data() + arena->status_offset);
}

LaneTeam& Team() { return g_team.get(); }
LanePort& Port() { return g_port.get(); }
Heap& ProgramHeap() { return g_heap.get(); }

}  // namespace hotcell::guest

void _start(const hotcell::abi::BootInfo* boot) {
  if (boot->vcpu_index == 0) hotcell::guest::RunVcpu0(boot);
  hotcell::guest::RunOther(boot);
}
