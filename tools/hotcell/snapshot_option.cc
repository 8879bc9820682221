#include "tools/hotcell/snapshot_option.h"

#include "tools/hotcell/arguments.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {

absl::Status SetSnapshot(std::string_view text, std::string& snapshot) {
  constexpr std::string_view kPrefix = "snapshot.";
  if (text.empty()) return absl::InvalidArgumentError("the snapshot's name is empty");
  if (text.substr(0, kPrefix.size()) != kPrefix) {
    snapshot = std::string(text);
    return absl::OkStatus();
  }
  const auto pairs = ParseKeyValues(text);
  if (!pairs.ok()) return pairs.status();
  for (const auto& [key, value] : *pairs) {
    if (key != "snapshot.id" && key != "snapshot.name") {
      return absl::InvalidArgumentError(
          Cat("unknown key '", Escape(key), "' in -l: snapshot.id or snapshot.name"));
    }
  }
  if (pairs->size() != 1) {
    return absl::InvalidArgumentError("-l takes one of snapshot.id and snapshot.name, not both");
  }
  snapshot = pairs->front().second;
  return absl::OkStatus();
}

}  // namespace hotcell::cli
