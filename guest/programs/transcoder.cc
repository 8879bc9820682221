// The built-in payload: runs the job in the arena and leaves the report there.
#include <atomic>

#include "guest/runtime/common/guest_lanes.h"
#include "guest/runtime/common/panic.h"
#include "guest/runtime/guest/program.h"
#include "guest/wire/dispatch.h"

namespace hotcell::guest {

namespace {

// This may be a guest of a worker that waits for a job, which comes with a wake-up of lane 0.
uint64_t AwaitJobSize(const abi::ArenaHeader& arena) {
  uint64_t size = 0;
  while ((size = __atomic_load_n(&arena.job_size, __ATOMIC_ACQUIRE)) == 0) Port().Wait(0);
  return size;
}

}  // namespace

uint32_t PayloadMain() {
  const abi::ArenaHeader* const arena = Arena();
  HOTCELL_CHECK(arena != nullptr && SharedStatus() != nullptr);
  const std::span<std::byte> bytes = ArenaBytes();
  abi::GuestStatus& status = *SharedStatus();

  GuestLanes lanes(Team(), *arena, status, Port());
  const size_t size = AnswerJob(lanes, bytes.subspan(arena->job_offset, AwaitJobSize(*arena)),
                                bytes.subspan(arena->report_offset, arena->report_capacity));
  std::atomic_ref<uint64_t>(status.report_size).store(size, std::memory_order_release);
  return abi::kExitOk;
}

}  // namespace hotcell::guest
