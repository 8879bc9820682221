#include "broker/workers/worker_shape.h"

#include <sched.h>

#include <algorithm>

#include "broker/host/host_limits.h"
#include "broker/workers/arena.h"
#include "guest/abi/abi.h"

namespace hotcell::broker {
namespace {

// The most bytes that are not holes in a small image on a file system. One lane does with that as
// well as many, and one can do without ioeventfds, which take time to make and more to destroy.
constexpr uint64_t kSmallInput = 1 << 20;

// Bytes of each lane's buffers that a conversion uses at once, and that the conversion of a big
// image comes to use.
constexpr uint64_t kWarmBuffers = 1 << 20;
constexpr uint64_t kWarmLater = 20 << 20;
constexpr uint64_t kMinWarmLater = 4 << 20;
constexpr uint64_t kInfoBuffers = 128 << 10;

// Between the broker's Stop and the kernel's SIGKILL.
constexpr absl::Duration kCpuMargin = absl::Seconds(5);

// One for each processor, and fewer where inherited limits leave room for no more: a conversion is
// the same with any number.
uint32_t DefaultLanes(const Limits& limits) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return 1;
  auto lanes = std::clamp<uint32_t>(static_cast<uint32_t>(CPU_COUNT(&cpus)), 1, abi::kMaxLanes);
  const auto fit = [&limits](uint32_t count) {
    const uint64_t arena = Arena::SizeOf({.lanes = count, .report_capacity = limits.report_bytes});
    return CheckHostLimits({.lanes = count, .arena = arena, .guest_memory = limits.guest_memory})
        .ok();
  };
  while (lanes > 1 && !fit(lanes)) --lanes;
  return lanes;
}

// Bytes of the area for the guest's report, which has room at least for why there is none.
uint64_t ReportArea(const Limits& limits) {
  constexpr uint64_t kErrorSize = 4096;
  return std::max(limits.report_bytes, kErrorSize);
}

}  // namespace

uint32_t CpuSeconds(absl::Duration cpu_time) {
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(cpu_time, absl::Seconds(1)) + kCpuMargin);
  return seconds < UINT32_MAX ? static_cast<uint32_t>(seconds) : 0;
}

WorkerShape InfoShape(const Limits& limits) {
  return {.guest_memory = limits.guest_memory,
          .report_bytes = ReportArea(limits),
          .lanes = 1,
          .forward_doorbells = true,
          .warm_size = kInfoBuffers,
          .cpu_seconds = CpuSeconds(limits.cpu_time)};
}

WorkerShape ConvertShape(const Limits& limits, uint32_t lanes) {
  return {.guest_memory = limits.guest_memory,
          .report_bytes = ReportArea(limits),
          .lanes = lanes == 0 ? DefaultLanes(limits) : lanes,
          .forward_doorbells = false,
          .cpu_seconds = CpuSeconds(limits.cpu_time)};
}

std::vector<WorkerShape> ShapesFor(const Limits& limits, uint32_t lanes,
                                   const ReferencePolicy& references, uint64_t allocated) {
  // One that waits in the pool has no memory of its own yet.
  const WorkerShape pooled = ConvertShape(limits, lanes);
  WorkerShape started = pooled;
  started.warm_size = kWarmBuffers;
  started.warm_later_size = std::min(kWarmLater, std::max(kMinWarmLater, allocated / 32));
  std::vector<WorkerShape> shapes = {started, pooled};
  // What a small image refers to may be large.
  if (lanes == 0 && references.refuses_all() && allocated <= kSmallInput) {
    shapes.insert(shapes.begin(), InfoShape(limits));
  }
  return shapes;
}

}  // namespace hotcell::broker
