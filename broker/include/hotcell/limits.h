// What a job may use of the machine: every limit with its default and its unit.
#ifndef HOTCELL_LIMITS_H_
#define HOTCELL_LIMITS_H_

#include <cstdint>

#include "absl/time/time.h"

namespace hotcell {

// Limits::wall_time where a request says nothing else, of jobs that write no image: of Info() and
// Inspect(), and of Check(), Map() and Measure(), which read all tables of an image that may be big
// and on slow storage.
inline constexpr absl::Duration kLookTime = absl::Minutes(10);
inline constexpr absl::Duration kSurveyTime = absl::Hours(1);

// What one job may use. Each limit that ends a job is named in the error, with dashes, as the
// command's option --limit has it: `wall-time`.
struct Limits {
  // Guest RAM, bytes, per job. Holds the payload, its tables and codecs' state.
  uint64_t guest_memory = 64ull << 20;
  // The time from the start of the worker to its report. Requests that only look have less: see
  // above. When it is up the worker is stopped and no new request is served, but a call of the
  // Engine's cannot return before what it has called does: a read or a write of a file system that
  // does not answer (a FUSE server, a hard NFS mount), or one of the caller's own callbacks that
  // blocks, takes the time that it takes. Who cannot wait for such files runs the job in a process
  // that can be left behind, as the command does.
  absl::Duration wall_time = absl::Hours(24);
  // CPU time that the worker may use, all its vCPUs together.
  absl::Duration cpu_time = absl::Hours(48);
  // Size that the output may grow to, all its files together, bytes. A sparse raw output has the
  // size of its disk.
  uint64_t output_bytes = 64ull << 40;
  // Data written to the output, bytes, all its files together and what is written again counted
  // again. Zeroes count as data, and a flush as 256 KiB. 0: four times output_bytes and 64 MiB,
  // which no honest conversion comes near.
  uint64_t bytes_written = 0;
  // Data written to the output, bytes a second; 0: as fast as it goes. Slows a job, and ends none.
  uint64_t output_rate = 0;
  // Virtual disk, bytes.
  uint64_t virtual_size = 64ull << 40;
  // Bytes that the job may read from all files together.
  uint64_t bytes_read = 128ull << 40;
  // The guest's report, bytes.
  uint64_t report_bytes = 1ull << 20;
  // Images in a backing chain, the first included, and files opened by reference in all.
  uint32_t chain_depth = 16;
  uint32_t references = 64;
};

}  // namespace hotcell

#endif  // HOTCELL_LIMITS_H_
