// Bounds the memory that a hostile report takes in the broker: a few bytes of it can stand for
// hundreds once it is decoded, so its parts are counted first.
#ifndef HOTCELL_BROKER_LANES_REPORT_BUDGET_H_
#define HOTCELL_BROKER_LANES_REPORT_BUDGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hotcell::broker {

// How many parts a report may consist of. A part is a message within it or one of its repeated
// texts: two bytes of the report, and some hundred of memory once it is decoded, or is part of a
// reply.
struct ReportBudget {
  uint64_t snapshots = 0;
  uint64_t bitmaps = 0;
  uint64_t bitmap_flags = 0;  // of all bitmaps together
  uint64_t details = 0;       // of formats
  uint64_t others = 0;
};

// What a report of at most `report_bytes` needs to tell all there can be in an image: qcow2 has up
// to 65,536 snapshots and as many bitmaps, a VMDK of 240 files has some 1,500 details, of all else
// there are some hundreds.
ReportBudget BudgetFor(uint64_t report_bytes);

// What a part takes in a reply at most, without its texts: bytes of memory.
inline constexpr size_t kMostOfPart = 128;

// Counts the parts without decoding them. kResourceExhausted: more than there may be. Bytes that
// are no report are OK here, or kInternal.
absl::Status CheckReportParts(absl::string_view bytes, uint64_t report_bytes);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_REPORT_BUDGET_H_
