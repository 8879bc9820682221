// `-l`, the internal snapshot of an image that a command is to read.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_SNAPSHOT_OPTION_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_SNAPSHOT_OPTION_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotcell::cli {

// What `-l` names; one of the first and the other two.
struct SnapshotName {
  std::string id_or_name;
  std::optional<std::string> id;
  std::optional<std::string> name;
};

// "X", an id or a name; or "snapshot.id=ID", "snapshot.name=NAME" or both, as qemu-img has them:
// the snapshot then has that very id and that very name, which may be empty.
absl::StatusOr<SnapshotName> ParseSnapshot(std::string_view text);

// Sets the snapshot that a request of the library's names. The last `-l` counts.
template <typename Request>
absl::Status SetSnapshot(std::string_view text, Request& request) {
  absl::StatusOr<SnapshotName> snapshot = ParseSnapshot(text);
  if (!snapshot.ok()) return snapshot.status();
  request.snapshot = std::move(snapshot->id_or_name);
  request.snapshot_id = std::move(snapshot->id);
  request.snapshot_name = std::move(snapshot->name);
  return absl::OkStatus();
}

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_SNAPSHOT_OPTION_H_
