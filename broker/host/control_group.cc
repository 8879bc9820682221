#include "broker/host/control_group.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/unique_fd.h"

namespace hotcell::broker {
namespace {

constexpr size_t kMaxFile = 256 << 10;  // of a host with thousands of mounts

std::string ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd.valid()) return text;
  char buffer[4096];
  ssize_t got = 0;
  while (text.size() < kMaxFile && (got = read(fd.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

// A line of /proc/PID/cgroup, "ID:CONTROLLER,...:PATH"; of version 2 "0::PATH".
std::optional<std::string> PathOf(absl::string_view cgroup, absl::string_view controller) {
  for (const absl::string_view line : absl::StrSplit(cgroup, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    if (std::ranges::find(controllers, controller) != controllers.end()) {
      return std::string(parts[2]);
    }
  }
  return std::nullopt;
}

// A number, or nothing for "max" and for version 1's "no limit", which is the largest page-aligned
// number there is.
std::optional<uint64_t> ParseLimit(absl::string_view text) {
  constexpr uint64_t kUnlimited = uint64_t{1} << 62;
  uint64_t value = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value) || value >= kUnlimited) {
    return std::nullopt;
  }
  return value;
}

std::optional<uint64_t> Lowest(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  if (!a.has_value() || !b.has_value()) return a.has_value() ? a : b;
  return std::min(*a, *b);
}

// The lowest of the limits that `file` names in the group and in those around it, up to the mount
// point.
std::optional<uint64_t> LowestLimit(const std::string& root, const ControlGroupPlace& place,
                                    absl::string_view file) {
  std::optional<uint64_t> lowest;
  std::string path = place.path;
  while (true) {
    lowest = Lowest(
        lowest, ParseLimit(ReadSmallFile(absl::StrCat(root, place.mount_point, path, "/", file))));
    if (path.empty()) return lowest;
    path.erase(path.rfind('/'));
  }
}

// "oom_kill 3" among the lines of the group's own file.
uint64_t OutOfMemoryKills(const std::string& root, const ControlGroupPlace& place,
                          absl::string_view file) {
  const std::string text =
      ReadSmallFile(absl::StrCat(root, place.mount_point, place.path, "/", file));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    uint64_t kills = 0;
    if (absl::ConsumePrefix(&line, "oom_kill ") && absl::SimpleAtoi(line, &kills)) return kills;
  }
  return 0;
}

}  // namespace

std::optional<ControlGroupPlace> FindControlGroup(absl::string_view cgroup,
                                                  absl::string_view mountinfo,
                                                  absl::string_view controller) {
  const std::optional<std::string> path = PathOf(cgroup, controller);
  if (!path.has_value()) return std::nullopt;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    // "ID PARENT DEVICE ROOT MOUNT_POINT OPTIONS TAG... - TYPE SOURCE SUPER_OPTIONS"
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> mount = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> system = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 6 || system.size() < 3) continue;
    const std::vector<absl::string_view> options = absl::StrSplit(system[2], ',');
    const bool is_it =
        controller.empty()
            ? system[0] == "cgroup2"
            : system[0] == "cgroup" && std::ranges::find(options, controller) != options.end();
    if (!is_it) continue;
    absl::string_view below = *path;
    // A bind mount shows the tree from a group of it on, which may be the process's or one above.
    if (mount[3] != "/" && !absl::ConsumePrefix(&below, mount[3])) below = "";
    return ControlGroupPlace{std::string(mount[4]), std::string(absl::StripSuffix(below, "/"))};
  }
  return std::nullopt;
}

ControlGroupLimits ReadControlGroups(const std::string& root) {
  const std::string cgroup = ReadSmallFile(absl::StrCat(root, "/proc/self/cgroup"));
  const std::string mounts = ReadSmallFile(absl::StrCat(root, "/proc/self/mountinfo"));
  ControlGroupLimits limits;
  // A controller is in one of the two versions; in the other its files are not there.
  if (const auto place = FindControlGroup(cgroup, mounts, ""); place.has_value()) {
    limits.memory = LowestLimit(root, *place, "memory.max");
    limits.tasks = LowestLimit(root, *place, "pids.max");
    limits.out_of_memory_kills = OutOfMemoryKills(root, *place, "memory.events");
  }
  if (const auto place = FindControlGroup(cgroup, mounts, "memory"); place.has_value()) {
    limits.memory = Lowest(limits.memory, LowestLimit(root, *place, "memory.limit_in_bytes"));
    limits.out_of_memory_kills += OutOfMemoryKills(root, *place, "memory.oom_control");
  }
  if (const auto place = FindControlGroup(cgroup, mounts, "pids"); place.has_value()) {
    limits.tasks = Lowest(limits.tasks, LowestLimit(root, *place, "pids.max"));
  }
  return limits;
}

}  // namespace hotcell::broker
