// `info`: what an image says of itself.
#ifndef HOTCELL_GUEST_OPS_INFO_H_
#define HOTCELL_GUEST_OPS_INFO_H_

#include <vector>

#include "guest/formats/common/format.h"
#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Describes the source, probing its format when the job names none, and, when the job asks for it,
// the images below: top first. Opens no other file.
Result<std::vector<ImageDescription>> Info(IoChannel& io, const InfoJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_INFO_H_
