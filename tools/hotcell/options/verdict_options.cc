#include "tools/hotcell/options/verdict_options.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_split.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kMostExpansion = 1ull << 40;

enum VerdictOption : int {
  kAllowFormat = kFirstVerdictOption,
  kMaxExpansion,
  kMaxReaderMemory,
  kMaxVirtualSize,
  kNoCheck,
};

constexpr OptionSpec kOptions[] = {
    {kAllowFormat, "allow-format", true},
    {kMaxExpansion, "max-expansion", true},
    {kMaxReaderMemory, "max-reader-memory", true},
    {kMaxVirtualSize, "max-virtual-size", true},
    {kNoCheck, "no-check", false},
};

absl::Status AddAllowedFormats(std::string_view text, VerdictPolicy& policy) {
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(AbslView(text), ','))) {
    std::string& format = policy.allowed_formats.emplace_back();
    if (absl::Status status = SetSourceFormat(name, format); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<OptionSpec> WithVerdictOptions(std::span<const OptionSpec> own) {
  std::vector<OptionSpec> all(own.begin(), own.end());
  all.insert(all.end(), std::begin(kOptions), std::end(kOptions));
  return all;
}

bool IsVerdictOption(int id) { return id >= kFirstVerdictOption && id < kFirstCommonOption; }

absl::Status ApplyVerdictOption(int id, std::string_view value, VerdictOptions& options) {
  options.given = true;
  VerdictPolicy& policy = options.policy;
  switch (id) {
    case kAllowFormat:
      return AddAllowedFormats(value, policy);
    case kMaxExpansion: {
      const absl::StatusOr<uint64_t> most =
          ParseCount(value, "disk bytes for each of the file", 1, kMostExpansion);
      if (!most.ok()) return most.status();
      policy.max_expansion = *most;
      return absl::OkStatus();
    }
    case kMaxReaderMemory: {
      const absl::StatusOr<uint64_t> size = ParseSize(value);
      if (!size.ok()) return size.status();
      policy.max_reader_memory = *size;
      return absl::OkStatus();
    }
    case kMaxVirtualSize: {
      const absl::StatusOr<uint64_t> size = ParseSize(value);
      if (!size.ok()) return size.status();
      policy.max_virtual_size = std::max<uint64_t>(*size, 1);
      return absl::OkStatus();
    }
    case kNoCheck:
      options.check = false;
      return absl::OkStatus();
    default:
      return absl::InternalError("no option of a verdict's");
  }
}

}  // namespace hotcell::cli
