// What a worker is started with, known before its job is. A worker that waits in the pool serves
// only jobs of its shape.
#ifndef HOTCELL_BROKER_WORKERS_WORKER_SHAPE_H_
#define HOTCELL_BROKER_WORKERS_WORKER_SHAPE_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "hotcell/limits.h"
#include "hotcell/references.h"

namespace hotcell::broker {

// What a worker for the built-in transcoder was made for. It serves jobs that want just that.
struct WorkerShape {
  uint64_t guest_memory = 0;  // bytes
  uint64_t report_bytes = 0;
  uint32_t lanes = 1;
  bool forward_doorbells = false;
  uint64_t warm_size = 0;  // bytes, see ArenaLayout
  uint64_t warm_later_size = 0;
  uint32_t cpu_seconds = 0;  // see CpuSeconds()

  bool operator==(const WorkerShape&) const = default;
};

// The CPU time after which the kernel kills the worker of a job with the limit `cpu_time`; 0:
// never. Later than the broker stops it, even one with a lane on each processor.
uint32_t CpuSeconds(absl::Duration cpu_time);

// The shape for a job that looks at tables, with one lane.
WorkerShape InfoShape(const Limits& limits);

// The shape for a job that moves data, as a worker that waits in a pool has it. `lanes` 0: one for
// each processor, and fewer where inherited limits leave room for no more.
WorkerShape ConvertShape(const Limits& limits, uint32_t lanes);

// The shapes for a job that reads the data of images which occupy `allocated` bytes: the first of
// these that waits in a pool serves it, or else the very first is started.
std::vector<WorkerShape> ShapesFor(const Limits& limits, uint32_t lanes,
                                   const ReferencePolicy& references, uint64_t allocated);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_WORKER_SHAPE_H_
