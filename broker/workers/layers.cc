#include "hotcell/layers.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace hotcell {

namespace {

struct NamedLayer {
  Layer layer;
  std::string_view name;
};

// The layers by number, without gaps.
constexpr NamedLayer kNamed[] = {
    {Layer::kNoNewPrivs, "no-new-privs"},
    {Layer::kClosedFds, "closed-fds"},
    {Layer::kCapabilities, "capabilities"},
    {Layer::kUserNamespace, "user-namespace"},
    {Layer::kMountNamespace, "mount-namespace"},
    {Layer::kPidNamespace, "pid-namespace"},
    {Layer::kNetNamespace, "net-namespace"},
    {Layer::kIpcNamespace, "ipc-namespace"},
    {Layer::kUtsNamespace, "uts-namespace"},
    {Layer::kCgroupNamespace, "cgroup-namespace"},
    {Layer::kRlimits, "rlimits"},
    {Layer::kUndumpable, "undumpable"},
    {Layer::kParentDeathSignal, "parent-death-signal"},
    {Layer::kSeccomp, "seccomp"},
    {Layer::kLandlock, "landlock"},
    {Layer::kBoundingSet, "bounding-set"},
    {Layer::kSecurebits, "securebits"},
    {Layer::kSpeculation, "speculation"},
    {Layer::kDenyWriteExecute, "deny-write-execute"},
    {Layer::kSessionKeyring, "session-keyring"},
    {Layer::kDontdump, "dontdump"},
    {Layer::kRunRlimits, "run-rlimits"},
    {Layer::kOomScore, "oom-score"},
    {Layer::kUserIds, "user-ids"},
};

// One list of them, from the other.
constexpr auto kKnown = [] {
  std::array<Layer, std::size(kNamed)> known{};
  for (size_t i = 0; i < known.size(); ++i) known[i] = kNamed[i].layer;
  return known;
}();

}  // namespace

std::span<const Layer> KnownLayers() { return kKnown; }

std::string LayerName(Layer layer) {
  const auto* const found = std::ranges::find(kNamed, layer, &NamedLayer::layer);
  return found == std::end(kNamed) ? absl::StrCat("layer-", static_cast<int>(layer))
                                   : std::string(found->name);
}

std::optional<Layer> LayerFromName(std::string_view name) {
  const auto* const found = std::ranges::find(kNamed, name, &NamedLayer::name);
  if (found == std::end(kNamed)) return std::nullopt;
  return found->layer;
}

std::string_view LayerRemedy(Layer layer) {
  switch (layer) {
    case Layer::kLandlock:
      return "a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK and landlock among the "
             "lsm= modules";
    case Layer::kUserNamespace:
      return "allow user namespaces, see 'hotcell doctor'; in a container, allow clone() with "
             "CLONE_NEWUSER";
    case Layer::kMountNamespace:
    case Layer::kPidNamespace:
    case Layer::kNetNamespace:
    case Layer::kIpcNamespace:
    case Layer::kUtsNamespace:
    case Layer::kCgroupNamespace:
      return "comes with user namespaces, or when hotcell is started by root";
    case Layer::kOomScore:
      return "a /proc in which the process may write to its own files";
    case Layer::kUserIds:
      return "CAP_SETUID, CAP_SETGID, CAP_KILL and CAP_SYS_ADMIN, an RLIMIT_NPROC of 32 or more, "
             "and ids from 2130706432 to 2147483647 in the caller's user namespace";
    case Layer::kBoundingSet:
    case Layer::kSecurebits:
      return "CAP_SETPCAP, which comes with user namespaces or root";
    case Layer::kCapabilities:
      return "a container that allows capset()";
    case Layer::kSeccomp:
      return "a kernel with CONFIG_SECCOMP_FILTER, and a container that allows seccomp()";
    case Layer::kClosedFds:
      return "a kernel of 5.9 or later, and a container that allows close_range()";
    case Layer::kSessionKeyring:
      return "a kernel with CONFIG_KEYS, and a container that allows keyctl()";
    case Layer::kSpeculation:
      return "a kernel and a processor with PR_SET_SPECULATION_CTRL, not turned off by "
             "mitigations=";
    case Layer::kDenyWriteExecute:
      return "a kernel of 6.3 or later";
    default:
      return "a kernel and a container that allow prctl(), setrlimit() and madvise()";
  }
}

}  // namespace hotcell
