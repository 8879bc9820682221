// The guest's answer to a job, as a hotcell.v1.Report.
#ifndef HOTCELL_GUEST_WIRE_ENCODE_REPORT_H_
#define HOTCELL_GUEST_WIRE_ENCODE_REPORT_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/ops/check.h"
#include "guest/ops/compare.h"
#include "guest/ops/convert.h"
#include "guest/ops/digest.h"
#include "guest/ops/inspect.h"
#include "guest/ops/map.h"
#include "guest/ops/measure.h"
#include "guest/ops/rebase.h"
#include "guest/ops/resize.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// What an operation came to: an error, or the result of the one that ran.
struct JobOutcome {
  Status error;
  std::optional<ConvertSummary> convert;
  std::vector<ImageDescription> info;  // top first; empty: another operation
  std::optional<CompareSummary> compare;
  std::optional<DigestSummary> digest;
  std::optional<CheckSummary> check;
  std::optional<Inspection> inspection;
  std::optional<MapSummary> map;
  std::optional<MeasureSummary> measure;
  std::optional<ResizeSummary> resize;
  std::optional<RebaseSummary> rebase;
};

// Serializes the outcome into `area` and returns the bytes used. An outcome that does not fit
// becomes an error that says so; 0 when not even that fits.
size_t EncodeReport(const JobOutcome& outcome, std::span<std::byte> area);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_WIRE_ENCODE_REPORT_H_
