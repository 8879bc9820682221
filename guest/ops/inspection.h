// `inspect`: what a gatekeeper has to know of a file before anyone uses it as an image.
#ifndef HOTCELL_GUEST_OPS_INSPECTION_H_
#define HOTCELL_GUEST_OPS_INSPECTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/survey.h"
#include "guest/formats/signatures/signatures.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"
#include "protos/job.pb.h"

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

struct InspectOptions {
  // Look at all of the image's tables, with the format's check where there is one; otherwise at
  // those that lead to the start and the end of the disk.
  bool check = true;
  uint64_t max_virtual_size = 0;  // bytes; a bigger disk is not looked into; 0: no limit
  // An internal snapshot that is to be read: its disk is looked at besides the active one. Empty:
  // none is.
  SnapshotSelector snapshot = {};
};

// Finds out all it can, whatever fails. Opens no file that the image refers to. An error means that
// the file could not be read.
Result<Inspection> Examine(IoChannel& io, const hotcell_v1_SourceImage& source,
                           const InspectOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_INSPECTION_H_
