// `info`: what an image says of itself.
#ifndef HOTCELL_GUEST_OPS_INFO_H_
#define HOTCELL_GUEST_OPS_INFO_H_

#include <vector>

#include "guest/formats/common/format.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

// Describes the source of job.operation.info, probing its format when the job names none, and, when
// the job asks for it, the images below: top first. Opens no other file. Precondition:
// job.which_operation is info.
Result<std::vector<ImageDescription>> Inspect(IoChannel& io, const hotcell_v1_Job& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_INFO_H_
