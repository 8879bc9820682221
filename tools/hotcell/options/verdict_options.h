// The options of a policy for verdicts, which `inspect` and `convert --inspect` have.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_VERDICT_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_VERDICT_OPTIONS_H_

#include <span>

#include "absl/status/status.h"
#include "hotcell/verdict.h"
#include "tools/hotcell/options/option.h"

namespace hotcell::cli {

struct VerdictOptions {
  VerdictPolicy policy;
  bool check = true;   // --no-check was not given
  bool given = false;  // any of them
};

// The rows of these options.
std::span<const Option<VerdictOptions>> PolicyOptions();

// What Judge() of the library says, with the option that would change it.
Verdict JudgeBy(const VerdictOptions& options, const InspectReply& reply, const Limits& limits);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_VERDICT_OPTIONS_H_
