// The job and the report as bytes of the arena. A report is hostile: its size and parts are checked
// before it is parsed, and its texts are escaped.
#ifndef HOTCELL_BROKER_LANES_REPORT_CODEC_H_
#define HOTCELL_BROKER_LANES_REPORT_CODEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/job.pb.h"
#include "protos/report.pb.h"

namespace hotcell::broker {

// The bytes for the arena's job area. Error: more than it holds.
absl::StatusOr<std::string> EncodeJob(const v1::Job& job);

// Parses what a guest left in the report area. kInternal: no Report. kResourceExhausted: a result
// of more than `report_bytes`, or of more parts than those hold of honest ones (report_budget.h).
// Fields of type `string` are escaped, but for the warnings (see ReportedWarnings()); those of type
// `bytes` are as they came.
absl::StatusOr<v1::Report> DecodeReport(absl::string_view bytes, uint64_t report_bytes);

// The guest's error as a status, its text escaped. `recorded` is the first thing that went wrong
// with a file, if anything did: where the guest's error is the consequence, that is what is told.
absl::Status ReportedError(const v1::Error& error, const absl::Status& recorded);

// Escaped, and not too many.
std::vector<std::string> ReportedWarnings(const v1::Report& report);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_REPORT_CODEC_H_
