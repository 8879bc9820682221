// What the control groups of this process leave it, for errors that would otherwise name a signal
// or an errno only. Reads /proc and /sys: for when something has failed, not before.
#ifndef HOTCELL_BROKER_HOST_CONTROL_GROUP_H_
#define HOTCELL_BROKER_HOST_CONTROL_GROUP_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace hotcell::broker {

struct ControlGroupLimits {
  // The lowest of the process's group and of those around it; nothing where there is none.
  std::optional<uint64_t> memory;  // bytes: memory.max, or memory.limit_in_bytes of version 1
  std::optional<uint64_t> tasks;   // processes and threads: pids.max
  // Processes of its own group that the kernel has killed for lack of memory.
  uint64_t out_of_memory_kills = 0;
};

// Whatever cannot be read is left out. `root` stands before /proc and the mount points; tests have
// their own.
ControlGroupLimits ReadControlGroups(const std::string& root = "");

// The directory of the group that `controller` ("memory"; "": version 2) has for the process of
// /proc/PID/cgroup's text, by the mounts of /proc/PID/mountinfo's; `mount_point` is the top of it.
struct ControlGroupPlace {
  std::string mount_point;
  std::string path;  // below it; "" or "/a/b"
};
std::optional<ControlGroupPlace> FindControlGroup(absl::string_view cgroup,
                                                  absl::string_view mountinfo,
                                                  absl::string_view controller);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_CONTROL_GROUP_H_
