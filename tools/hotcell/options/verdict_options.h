// The options of a policy for verdicts, which `inspect` and `convert --inspect` have.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_VERDICT_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_VERDICT_OPTIONS_H_

#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "hotcell/verdict.h"
#include "tools/hotcell/options/arguments.h"

namespace hotcell::cli {

// Of the options below; it is less than kFirstCommonOption.
inline constexpr int kFirstVerdictOption = 900;

struct VerdictOptions {
  VerdictPolicy policy;
  bool check = true;   // --no-check was not given
  bool given = false;  // any of them
};

// `own` and those options in one table.
std::vector<OptionSpec> WithVerdictOptions(std::span<const OptionSpec> own);

// Of kFirstVerdictOption and up.
bool IsVerdictOption(int id);

absl::Status ApplyVerdictOption(int id, std::string_view value, VerdictOptions& options);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_VERDICT_OPTIONS_H_
