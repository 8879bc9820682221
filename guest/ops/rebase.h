// `rebase -u`: another backing file in the header of an image.
#ifndef HOTCELL_GUEST_OPS_REBASE_H_
#define HOTCELL_GUEST_OPS_REBASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

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

// Opens no file that the image refers to. An outcome other than kRebased means that nothing was
// written.
Result<RebaseSummary> Rebase(IoChannel& io, const RebaseJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_REBASE_H_
