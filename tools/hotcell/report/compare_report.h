// `hotcell compare` as text, with qemu-img's exit statuses, and as JSON.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_COMPARE_REPORT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_COMPARE_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "hotcell/engine.h"

namespace hotcell::cli {

// Lines, each ended, in qemu-img's words. Precondition: the comparison did not fail.
std::string CompareText(const CompareResult& result);
// {"compare": {"identical", "outcome", "offset", "first", "second", "warnings"}}; no newline at the
// end. Precondition: as above.
std::string CompareJson(const CompareRequest& request, const CompareReply& reply);

// The failure of a comparison, with the image it happened in. Precondition: !reply.failure.ok().
absl::Status CompareFailure(const CompareRequest& request, const CompareReply& reply);

// 0: identical, 1: different, more: exit_codes.h.
int CompareExitStatus(const CompareResult& result);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_COMPARE_REPORT_H_
