// What `hotcell inspect` prints.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_VERDICT_REPORT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_VERDICT_REPORT_H_

#include <string>

#include "hotcell/engine.h"
#include "hotcell/verdict.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {

struct InspectReport {
  std::string filename;
  InspectReply reply;
  Verdict verdict;
};

// Lines, each ended.
std::string InspectText(const InspectReport& report);
// The JSON that docs/schema/inspect.json describes.
Json InspectJson(const InspectReport& report);

// What that document has under "inspect".
Json InspectValue(const InspectReport& report);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_VERDICT_REPORT_H_
