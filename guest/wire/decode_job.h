// The broker's job, from the bytes of a hotcell.v1.Job.
#ifndef HOTCELL_GUEST_WIRE_DECODE_JOB_H_
#define HOTCELL_GUEST_WIRE_DECODE_JOB_H_

#include <cstddef>
#include <span>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// The job refers to nothing of `bytes`. An error says what is not as protos/job.proto has it, or
// which file the operation needs and the job does not name. Fields that are not known are passed
// over.
Result<Job> DecodeJob(std::span<const std::byte> bytes);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_WIRE_DECODE_JOB_H_
