#include "tools/hotcell/options/snapshot_option.h"

#include <utility>

#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"

namespace hotcell::cli {

absl::StatusOr<SnapshotName> ParseSnapshot(std::string_view text) {
  constexpr std::string_view kPrefix = "snapshot.";
  if (text.empty()) return absl::InvalidArgumentError("the snapshot's name is empty");
  SnapshotName snapshot;
  if (text.substr(0, kPrefix.size()) != kPrefix) {
    snapshot.id_or_name = std::string(text);
    return snapshot;
  }
  auto pairs = ParseKeyValues(text);
  if (!pairs.ok()) return pairs.status();
  for (auto& [key, value] : *pairs) {
    if (key == "snapshot.id") {
      snapshot.id = std::move(value);
    } else if (key == "snapshot.name") {
      snapshot.name = std::move(value);
    } else {
      return absl::InvalidArgumentError(
          Cat("unknown key '", Escape(key), "' in -l: snapshot.id or snapshot.name"));
    }
  }
  return snapshot;
}

}  // namespace hotcell::cli
