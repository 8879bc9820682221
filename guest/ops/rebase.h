// `rebase -u`: another backing file in the header of an image.
#ifndef HOTCELL_GUEST_OPS_REBASE_H_
#define HOTCELL_GUEST_OPS_REBASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

struct RebaseSummary {
  // Values are those of hotcell.v1.RebaseResult.Outcome.
  enum class Outcome : uint8_t {
    kRebased = 1,
    kUnsupported = 2,
    kNoRoom = 3,
  };
  Outcome outcome = Outcome::kRebased;
  std::string format;
  std::vector<std::string> warnings;
};

// Runs job.operation.rebase: opens no file that the image refers to. An outcome other than kRebased
// means that nothing was written. Precondition: job.which_operation is rebase.
Result<RebaseSummary> Rebase(IoChannel& io, const hotcell_v1_Job& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_REBASE_H_
