#include "hotcell/layers.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace hotcell {

std::string LayerName(v1::Layer layer) {
  if (!v1::Layer_IsValid(layer)) return absl::StrCat("layer-", static_cast<int>(layer));
  std::string name = absl::AsciiStrToLower(absl::StripPrefix(v1::Layer_Name(layer), "LAYER_"));
  std::ranges::replace(name, '_', '-');
  return name;
}

std::string_view LayerRemedy(v1::Layer layer) {
  switch (layer) {
    case v1::LAYER_LANDLOCK:
      return "a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK and landlock among the "
             "lsm= modules";
    case v1::LAYER_USER_NAMESPACE:
      return "allow user namespaces, see 'hotcell doctor'; in a container, allow clone() with "
             "CLONE_NEWUSER";
    case v1::LAYER_MOUNT_NAMESPACE:
    case v1::LAYER_PID_NAMESPACE:
    case v1::LAYER_NET_NAMESPACE:
    case v1::LAYER_IPC_NAMESPACE:
    case v1::LAYER_UTS_NAMESPACE:
    case v1::LAYER_CGROUP_NAMESPACE:
      return "comes with user namespaces, or when hotcell is started by root";
    case v1::LAYER_OOM_SCORE:
      return "a /proc in which the process may write to its own files";
    case v1::LAYER_USER_IDS:
      return "CAP_SETUID, CAP_SETGID, CAP_KILL and CAP_SYS_ADMIN, an RLIMIT_NPROC of 32 or more, "
             "and ids from 2130706432 to 2147483647 in the caller's user namespace";
    case v1::LAYER_BOUNDING_SET:
    case v1::LAYER_SECUREBITS:
      return "CAP_SETPCAP, which comes with user namespaces or root";
    case v1::LAYER_CAPABILITIES:
      return "a container that allows capset()";
    case v1::LAYER_SECCOMP:
      return "a kernel with CONFIG_SECCOMP_FILTER, and a container that allows seccomp()";
    case v1::LAYER_CLOSED_FDS:
      return "a kernel of 5.9 or later, and a container that allows close_range()";
    case v1::LAYER_SESSION_KEYRING:
      return "a kernel with CONFIG_KEYS, and a container that allows keyctl()";
    case v1::LAYER_SPECULATION:
      return "a kernel and a processor with PR_SET_SPECULATION_CTRL, not turned off by "
             "mitigations=";
    case v1::LAYER_DENY_WRITE_EXECUTE:
      return "a kernel of 6.3 or later";
    default:
      return "a kernel and a container that allow prctl(), setrlimit() and madvise()";
  }
}

}  // namespace hotcell
