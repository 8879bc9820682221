#ifndef HOTCELL_TOOLS_HOTCELL_SNAPSHOT_OPTION_H_
#define HOTCELL_TOOLS_HOTCELL_SNAPSHOT_OPTION_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace hotcell::cli {

// `-l`: an id or a name, or "snapshot.id=..." or "snapshot.name=..." as qemu-img has it.
absl::Status SetSnapshot(std::string_view text, std::string& snapshot);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_SNAPSHOT_OPTION_H_
