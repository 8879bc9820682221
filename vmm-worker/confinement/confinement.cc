#include "vmm-worker/confinement/confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "guest/abi/abi.h"
#include "guest/abi/kept_root.h"
#include "policy/layers.h"
#include "vmm-worker/confinement/limits.h"

namespace hotcell::worker {
namespace {

// Linux 6.3; not in Debian 12's headers.
constexpr int kPrSetMdwe = 65;
constexpr unsigned long kMdweRefuseExecGain = 1;

// linux/keyctl.h's KEYCTL_JOIN_SESSION_KEYRING.
constexpr int kJoinSessionKeyring = 1;

// What the kernel or an administrator answers when a layer is not to be had, as opposed to what it
// answers when something is wrong.
v1::LayerState StateOf(int error) {
  switch (error) {
    case 0:
      return v1::LAYER_STATE_ACHIEVED;
    case EPERM:
    case EACCES:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL:  // the kernel was built without this kind of namespace
    case ENOSPC:  // user.max_*_namespaces
    case EUSERS:
    case ENXIO:   // the kernel has no such control of speculation
    case ENODEV:  // nor the processor
    case EDQUOT:  // keys
      return v1::LAYER_STATE_UNAVAILABLE;
    default:
      return v1::LAYER_STATE_FAILED;
  }
}

void Record(v1::Confined& report, v1::Layer layer, v1::LayerState state, int error) {
  v1::LayerResult* result = report.add_layers();
  result->set_layer(layer);
  result->set_state(state);
  result->set_error(error);
}

void Record(v1::Confined& report, v1::Layer layer, int error) {
  Record(report, layer, StateOf(error), error);
}

int ErrorOf(long result) { return result < 0 ? errno : 0; }

// ---- The process --------------------------------------------------------------------------------

void OfferToOutOfMemoryKiller(v1::Confined& report) {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  int error = ErrorOf(file);
  if (file >= 0) {
    constexpr std::string_view kMost = "1000";
    error = ErrorOf(write(file, kMost.data(), kMost.size()));
    close(file);
  }
  // No /proc, or one that is read-only.
  const bool withheld = error == ENOENT || error == EROFS;
  Record(report, v1::LAYER_OOM_SCORE, withheld ? v1::LAYER_STATE_UNAVAILABLE : StateOf(error),
         error);
}

// ---- User ids -----------------------------------------------------------------------------------

// A user namespace without a mapping is what the broker makes at the birth of most workers: in it,
// no user id exists, the worker's own included.
bool HasUnmappedUser() { return syscall(SYS_setresuid, -1, geteuid(), -1) < 0 && errno == EINVAL; }

// The permitted ones, which the change of ids has left: the namespaces take them.
int RaiseCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) < 0) return errno;
  for (__user_cap_data_struct& set : sets) set.effective = set.permitted;
  return ErrorOf(syscall(SYS_capset, &header, sets));
}

// Gives up root's ids before there is a user namespace, for there the id has to exist. EINVAL: it
// does not exist in the caller's either.
int GiveUpRoot() {
  rlimit tasks;
  if (getrlimit(RLIMIT_NPROC, &tasks) < 0) return errno;
  if (tasks.rlim_cur < policy::kEnoughTasks) return EPERM;
  uint32_t id = 0;
  if (getrandom(&id, sizeof(id), 0) != sizeof(id)) return errno;
  id = policy::kFirstUnusedId + id % policy::kUnusedIds;
  if (syscall(SYS_setgroups, 0, nullptr) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
      prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) {
    return errno;
  }
  const int error = ErrorOf(syscall(SYS_setresuid, id, id, id));
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) return errno;
  return error == 0 ? RaiseCapabilities() : error;
}

int ApplyUserIds() {
  if (getenv(abi::kKeptRoot) != nullptr) return EPERM;
  const bool is_root = getuid() == 0 || geteuid() == 0;
  return is_root && !HasUnmappedUser() ? GiveUpRoot() : 0;
}

// ---- Namespaces and file system -----------------------------------------------------------------

// An empty read-only root in place of the host's. Needs a mount namespace of the worker's own.
int EnterEmptyRoot() {
  // Nothing that happens below is to reach the namespace this one was copied from.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return errno;
  const int context = static_cast<int>(syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (context < 0) return errno;
  if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "4k", 0) < 0 ||
      syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
      syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
    return errno;
  }
  const int root = static_cast<int>(
      syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (root < 0) return errno;
  // Mounted over "/", because no other directory is sure to exist, and entered through its
  // descriptor, because a path still leads below it. pivot_root(".", ".") puts the old root on top
  // of the new one, where umount finds it.
  if (syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
      fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
      chdir("/") < 0) {
    return errno;
  }
  close(root);
  close(context);
  return 0;
}

void ApplyNamespaces(v1::Confined& report) {
  // Without one from birth there may still be one from here on. It comes first: it holds the
  // capabilities that the others need.
  Record(report, v1::LAYER_USER_NAMESPACE, HasUnmappedUser() ? 0 : ErrorOf(unshare(CLONE_NEWUSER)));
  // Only a child can be born into a pid namespace, and then it is number 1.
  const bool own_pids = getpid() == 1;
  Record(report, v1::LAYER_PID_NAMESPACE,
         own_pids ? v1::LAYER_STATE_ACHIEVED : v1::LAYER_STATE_UNAVAILABLE, own_pids ? 0 : EPERM);

  int all = 0;
  for (const policy::NamespaceSpec& one : policy::kNamespaces) all |= one.flag;
  const bool at_once = unshare(all) == 0;
  for (const policy::NamespaceSpec& one : policy::kNamespaces) {
    int error = at_once ? 0 : ErrorOf(unshare(one.flag));
    if (error == 0 && one.flag == CLONE_NEWNS) error = EnterEmptyRoot();
    Record(report, one.layer, error);
  }
}

// ---- Descriptors --------------------------------------------------------------------------------

bool IsNull(int, const struct stat& file) {
  return S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3);
}
bool IsPipe(int, const struct stat& file) { return S_ISFIFO(file.st_mode); }
bool IsDevice(int, const struct stat& file) { return S_ISCHR(file.st_mode); }
// The broker relies on the size of the arena never changing: so does this process.
bool IsSealedMemory(int fd, const struct stat&) {
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
  const int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;  // and others, as MFD_NOEXEC_SEAL's
}
// Files without a file system, as eventfds are, have no file type.
bool IsAnonymous(int, const struct stat& file) { return (file.st_mode & S_IFMT) == 0; }

struct Place {
  int first;
  int count;
  bool required;
  bool (*is_right)(int fd, const struct stat& file);
};

constexpr int kLanes = abi::kMaxLanes;
constexpr Place kPlaces[] = {
    {0, 3, true, IsNull},
    {abi::kFdControlIn, 2, true, IsPipe},
    {abi::kFdKvm, 1, true, IsDevice},
    {abi::kFdArena, 1, false, IsSealedMemory},
    {abi::kFdDoorbell, kLanes, false, IsAnonymous},
    {abi::kFdWake, kLanes, false, IsAnonymous},
};
static_assert(abi::kFdControlOut == abi::kFdControlIn + 1);
static_assert(abi::kFdArena == abi::kFdKvm + 1 && abi::kFdDoorbell > abi::kFdArena);
static_assert(abi::kFdWake == abi::kFdDoorbell + kLanes && abi::kFdVcpu == abi::kFdWake + kLanes);

int KeepNamedDescriptors() {
  if (syscall(SYS_close_range, abi::kFdArena + 1, abi::kFdDoorbell - 1, 0) < 0 ||
      syscall(SYS_close_range, abi::kFdVcpu, UINT_MAX, 0) < 0) {
    return errno;
  }
  for (const Place& place : kPlaces) {
    for (int fd = place.first; fd < place.first + place.count; ++fd) {
      struct stat file;
      if (fstat(fd, &file) < 0) {
        if (errno == EBADF && !place.required) continue;
        return errno;
      }
      if (!place.is_right(fd, file)) return EBADFD;
    }
  }
  return 0;
}

// ---- Rights -------------------------------------------------------------------------------------

// The bounding set and the secure bits, which say what an exec could bring back, need CAP_SETPCAP;
// a caller that has none is held by no_new_privs to what it has: nothing.
int EmptyBoundingSet() {
  int capability = 0;
  // 1: it is there; 0: the caller has dropped it before, and nobody has to.
  for (long there = 0; (there = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; ++capability) {
    if (there != 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return errno;
  }
  // EINVAL: beyond the last that the kernel knows.
  return errno == EINVAL && capability > 0 ? 0 : errno;
}

// Bits that the caller has locked already stay, and need no capability to be found right.
int LockSecurebits() {
  const int inherited = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  if (inherited < 0) return errno;
  const unsigned wanted = static_cast<unsigned>(inherited) | policy::kSecurebits;
  if (wanted == static_cast<unsigned>(inherited)) return 0;
  return ErrorOf(prctl(PR_SET_SECUREBITS, wanted, 0, 0, 0));
}

int DropCapabilities() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return errno;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return ErrorOf(syscall(SYS_capset, &header, none));
}

bool HasCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) < 0) return true;
  return std::ranges::any_of(sets, [](const __user_cap_data_struct& set) {
    return (set.effective | set.permitted | set.inheritable) != 0;
  });
}

// Anybody may give up capabilities: where that is refused, by a filter of the caller's, and some
// are left, the layer has failed.
void ApplyCapabilities(v1::Confined& report) {
  const int error = DropCapabilities();
  const bool failed = error != 0 && HasCapabilities();
  Record(report, v1::LAYER_CAPABILITIES, failed ? v1::LAYER_STATE_FAILED : StateOf(error), error);
}

// What counts is whether the processor speculates, not whether it was us who stopped it.
bool IsOffForGood(unsigned long control) {
  return policy::IsOffForGood(prctl(PR_GET_SPECULATION_CTRL, control, 0, 0, 0));
}

int StopSpeculation() {
  int error = 0;
  for (const policy::SpeculationSpec& one : policy::kSpeculation) {
    const int refusal =
        ErrorOf(prctl(PR_SET_SPECULATION_CTRL, one.control, PR_SPEC_FORCE_DISABLE, 0, 0));
    if (!IsOffForGood(one.control) && error == 0) error = refusal != 0 ? refusal : EOPNOTSUPP;
  }
  return error;
}

// The attributes of Landlock's ABI 6; older headers have fewer.
struct LandlockRuleset {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

constexpr uint64_t LowestBits(int count) { return (uint64_t{1} << count) - 1; }

int ApplyLandlock() {
  constexpr int kVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion);
  if (abi < 0) return errno;
  LandlockRuleset ruleset = {};
  for (const policy::LandlockSpec& spec : policy::kLandlock) {
    if (spec.abi > abi) break;
    ruleset = {LowestBits(spec.fs_rights), LowestBits(spec.net_rights), LowestBits(spec.scopes)};
  }
  // Fields that an older kernel does not know are zero, which it accepts.
  const int fd =
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0));
  if (fd < 0) return errno;
  const int error = ErrorOf(syscall(SYS_landlock_restrict_self, fd, 0));
  close(fd);
  return error;
}

}  // namespace

// The order is forced: each layer takes away what a later one must not need. /proc/self belongs to
// root once the ids are changed; namespaces and the empty root need capabilities; descriptors are
// checked once nothing opens any more; giving up capabilities resets neither the dumpable flag nor
// the parent-death signal, but gaining them, as entering a user namespace does, clears both, so
// these come after.
void ApplyLayers(v1::Confined& report) {
  prctl(PR_SET_NAME, "hotcell-worker", 0, 0, 0);  // execveat() left a number
  OfferToOutOfMemoryKiller(report);
  Record(report, v1::LAYER_USER_IDS, ApplyUserIds());
  Record(report, v1::LAYER_NO_NEW_PRIVS, ErrorOf(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
  Record(report, v1::LAYER_SESSION_KEYRING,
         ErrorOf(syscall(SYS_keyctl, kJoinSessionKeyring, nullptr)));
  ApplyNamespaces(report);
  Record(report, v1::LAYER_BOUNDING_SET, EmptyBoundingSet());
  Record(report, v1::LAYER_SECUREBITS, LockSecurebits());
  ApplyCapabilities(report);
  // A broker that died before this line is noticed too: its end of the control pipe is closed, and
  // the worker ends at its first read.
  Record(report, v1::LAYER_UNDUMPABLE, ErrorOf(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)));
  Record(report, v1::LAYER_PARENT_DEATH_SIGNAL, ErrorOf(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)));
  Record(report, v1::LAYER_SPECULATION, StopSpeculation());
  Record(report, v1::LAYER_DENY_WRITE_EXECUTE,
         ErrorOf(prctl(kPrSetMdwe, kMdweRefuseExecGain, 0, 0, 0)));
  Record(report, v1::LAYER_LANDLOCK, ApplyLandlock());
  const int open_files = KeepNamedDescriptors();
  Record(report, v1::LAYER_CLOSED_FDS,
         open_files == 0 ? v1::LAYER_STATE_ACHIEVED : v1::LAYER_STATE_FAILED, open_files);
  Record(report, v1::LAYER_RLIMITS, LowerLimits(policy::kConfinementLimits).error);
  for (const policy::LayerSpec& layer : policy::kLayers) {
    if (layer.phase <= policy::LayerPhase::kConfinement) continue;
    Record(report, layer.layer, v1::LAYER_STATE_PENDING, 0);
  }
}

void ReportSetupLayers(v1::Ready& report) {
  for (const policy::LayerSpec& layer : policy::kLayers) {
    if (layer.phase <= policy::LayerPhase::kConfinement) continue;
    v1::LayerResult& result = *report.add_layers();
    result.set_layer(layer.layer);
    result.set_state(v1::LAYER_STATE_ACHIEVED);
  }
}

}  // namespace hotcell::worker
