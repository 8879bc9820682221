// `inspect`: what a gatekeeper has to know of a file before anyone uses it as an image.
#ifndef HOTCELL_GUEST_OPS_INSPECT_H_
#define HOTCELL_GUEST_OPS_INSPECT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/survey.h"
#include "guest/formats/signatures/signatures.h"
#include "guest/ops/jobs.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// The fields of hotcell.v1.Inspection.
struct Inspection {
  std::string format;
  std::vector<std::string> other_formats;
  std::vector<FileSignature> signatures;
  Status failure;                        // of opening it
  std::optional<ImageDescription> info;  // nullopt: it could not be opened
  Survey survey;
  std::optional<CheckResult> check;
  Status check_failure;  // of looking at its tables, as far as they were looked at
};

// Finds out all it can, whatever fails. Opens no file that the image refers to. An error means that
// the file could not be read.
Result<Inspection> Inspect(IoChannel& io, const InspectJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_INSPECT_H_
