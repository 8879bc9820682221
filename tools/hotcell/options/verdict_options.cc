#include "tools/hotcell/options/verdict_options.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/formats.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kMostExpansion = 1ull << 40;

absl::Status AddAllowedFormats(std::string_view text, VerdictPolicy& policy) {
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(AbslView(text), ','))) {
    std::string& format = policy.allowed_formats.emplace_back();
    if (absl::Status status = SetSourceFormat(name, format); !status.ok()) return status;
  }
  return absl::OkStatus();
}

constexpr Option<VerdictOptions> kOptions[] = {
    {{.names = {"allow-format"},
      .value = "FORMAT,...",
      .help = "\nonly these formats are safe (default: all but qed)",
      .completion = Completion::kFormats},
     [](std::string_view value, VerdictOptions& options) {
       options.given = true;
       return AddAllowedFormats(value, options.policy);
     }},
    {{.names = {"max-virtual-size"},
      .value = "SIZE",
      .help = "\na bigger disk is not safe (default: 64T)"},
     [](std::string_view value, VerdictOptions& options) {
       options.given = true;
       const absl::StatusOr<uint64_t> size = ParseSize(value);
       if (size.ok()) options.policy.max_virtual_size = std::max<uint64_t>(*size, 1);
       return size.status();
     }},
    {{.names = {"max-reader-memory"},
      .value = "SIZE",
      .help = "\nnor is one that programs take more than SIZE of memory to open (default:\n256M)"},
     [](std::string_view value, VerdictOptions& options) {
       options.given = true;
       return Assign(ParseSize(value), options.policy.max_reader_memory);
     }},
    {{.names = {"max-expansion"},
      .value = "COUNT",
      .help = "\nnor is one more than COUNT times as big as the file (default: any)"},
     [](std::string_view value, VerdictOptions& options) {
       options.given = true;
       return Assign(ParseCount(value, "disk bytes for each of the file", 1, kMostExpansion),
                     options.policy.max_expansion);
     }},
    {{.names = {"no-check"},
      .help = "do not look for damage in the image's tables, and in the first 64 MiB\n"
              "of compressed data"},
     [](std::string_view, VerdictOptions& options) {
       options.given = true;
       options.check = false;
       return absl::OkStatus();
     }},
};

}  // namespace

std::span<const Option<VerdictOptions>> PolicyOptions() { return kOptions; }

Verdict JudgeBy(const VerdictOptions& options, const InspectReply& reply, const Limits& limits) {
  Verdict verdict = Judge(reply, options.policy, limits);
  // Whoever names formats knows the option.
  if (!options.policy.allowed_formats.empty()) return verdict;
  for (Finding& reason : verdict.reasons) {
    if (reason.code != VerdictCode::kFormatNotAllowed) continue;
    Append(reason.text, "; --allow-format=", reply.inspection.format, " allows it");
  }
  return verdict;
}

}  // namespace hotcell::cli
