// What confines the worker besides the rules of policy/rules.h, as data: every layer with what it
// does and why, and the values that the layers apply. vmm-worker/confinement/confinement.cc does
// what these tables say; `hotcell policy` prints them.
#ifndef HOTCELL_POLICY_LAYERS_H_
#define HOTCELL_POLICY_LAYERS_H_

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/resource.h>

#include <cstdint>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"

namespace hotcell::policy {

// When a layer comes into force.
enum class LayerPhase : uint8_t {
  kBirth,        // by the broker, with the process
  kConfinement,  // first thing in the worker, before it reads a byte
  kSetup,        // while the VM is made
  kRun,          // last thing before the guest's first instruction
};

struct LayerSpec {
  v1::Layer layer;
  const char* name;  // LAYER_NO_NEW_PRIVS as users write it
  LayerPhase phase;
  bool required;     // no job runs without it, whatever its caller asks for
  const char* does;  // what is in force
  const char* why;   // what a compromised worker would do otherwise
};

// The layers, in the order in which they come into force.
inline constexpr LayerSpec kLayers[] = {
    {v1::LAYER_USER_NAMESPACE, "user-namespace", LayerPhase::kBirth, false,
     "no capability means anything to the host, and no other user or group can be named or become",
     "use the caller's capabilities, or become another user"},
    {v1::LAYER_PID_NAMESPACE, "pid-namespace", LayerPhase::kBirth, false,
     "the worker sees no process but itself",
     "find, signal or trace other processes of the same user"},
    {v1::LAYER_OOM_SCORE, "oom-score", LayerPhase::kConfinement, false,
     "the kernel ends the worker before anybody else when memory runs out (oom_score_adj 1000)",
     "have the broker or another service ended in its place"},
    {v1::LAYER_USER_IDS, "user-ids", LayerPhase::kConfinement, false,
     "the worker is not root to the host: root's ids are given up for unused ones, and its groups "
     "for none; the worker of another user has that user's",
     "read and write what root owns, where a namespace or a filter has a hole"},
    {v1::LAYER_NO_NEW_PRIVS, "no-new-privs", LayerPhase::kConfinement, true,
     "no exec grants rights (PR_SET_NO_NEW_PRIVS)", "gain rights through a set-user-id program"},
    {v1::LAYER_SESSION_KEYRING, "session-keyring", LayerPhase::kConfinement, false,
     "an empty session keyring in place of the caller's",
     "use the caller's keys: file system encryption, Kerberos tickets"},
    {v1::LAYER_MOUNT_NAMESPACE, "mount-namespace", LayerPhase::kConfinement, false,
     "the root is an empty read-only file system, and no other is mounted",
     "open, create or execute files"},
    {v1::LAYER_NET_NAMESPACE, "net-namespace", LayerPhase::kConfinement, false,
     "no network interface is up, and abstract sockets are its own",
     "reach the network, services on loopback or abstract sockets"},
    {v1::LAYER_IPC_NAMESPACE, "ipc-namespace", LayerPhase::kConfinement, false,
     "System V and POSIX message queues, semaphores and shared memory are its own",
     "attach shared memory of other processes"},
    {v1::LAYER_UTS_NAMESPACE, "uts-namespace", LayerPhase::kConfinement, false,
     "host and domain names are its own", "change the host's name"},
    {v1::LAYER_CGROUP_NAMESPACE, "cgroup-namespace", LayerPhase::kConfinement, false,
     "the worker's control group is the root of those it sees",
     "learn and address the groups around it"},
    {v1::LAYER_BOUNDING_SET, "bounding-set", LayerPhase::kConfinement, false,
     "no exec can add a capability", "bring back capabilities by an exec"},
    {v1::LAYER_SECUREBITS, "securebits", LayerPhase::kConfinement, false,
     "user id 0 means nothing to capabilities, locked",
     "bring back capabilities by being user id 0 in some namespace"},
    {v1::LAYER_CAPABILITIES, "capabilities", LayerPhase::kConfinement, false,
     "every capability set is empty", "do what the kernel grants to root"},
    {v1::LAYER_UNDUMPABLE, "undumpable", LayerPhase::kConfinement, false,
     "no core is dumped, and no process of the user may trace it",
     "have guest memory written out, or be steered by other processes of the user"},
    {v1::LAYER_PARENT_DEATH_SIGNAL, "parent-death-signal", LayerPhase::kConfinement, false,
     "SIGKILL when the broker's thread ends", "outlive the broker"},
    {v1::LAYER_SPECULATION, "speculation", LayerPhase::kConfinement, false,
     "speculative store bypass and indirect branch speculation are off for good",
     "read by side channel what the processor speculates on for others"},
    {v1::LAYER_DENY_WRITE_EXECUTE, "deny-write-execute", LayerPhase::kConfinement, false,
     "memory that was not executable when mapped never is (PR_SET_MDWE)",
     "run machine code of its own"},
    {v1::LAYER_LANDLOCK, "landlock", LayerPhase::kConfinement, false,
     "no right on files, sockets and signals that Landlock knows, as far as listed",
     "use a path or a socket although a namespace or a filter has a hole"},
    {v1::LAYER_CLOSED_FDS, "closed-fds", LayerPhase::kConfinement, true,
     "nothing but the descriptors of guest/abi/abi.h is open, each of the kind it must be",
     "use files that the caller has open"},
    {v1::LAYER_RLIMITS, "rlimits", LayerPhase::kConfinement, false,
     "resource limits that hold from here on, listed by themselves, or inherited ones that are "
     "lower",
     "use up files, kernel memory or priority"},
    {v1::LAYER_SECCOMP, "seccomp", LayerPhase::kConfinement, true,
     "the system calls of the rules; from the run on, of those of the run only",
     "ask the kernel for anything that a job does not need, or reach its bugs"},
    {v1::LAYER_DONTDUMP, "dontdump", LayerPhase::kSetup, false,
     "guest memory, arena, vCPU state, heap and stacks are left out of dumps (MADV_DONTDUMP)",
     "have image contents stored where crash dumps go"},
    {v1::LAYER_RUN_RLIMITS, "run-rlimits", LayerPhase::kRun, false,
     "resource limits that leave nothing more to take, listed by themselves",
     "add threads, descriptors or memory, or burn CPU time after the broker stopped it"},
};

// ---- User ids -----------------------------------------------------------------------------------

// What the worker of root takes at random, as user and as group id, so that each has one of its
// own: nobody else's limits and signals are then its. Above what systemd gives to containers (up to
// 1,879,048,191) and sssd and winbind to the users of a domain (2,000,200,000), below 2^31, where
// some programs take ids for negative numbers.
inline constexpr uint32_t kFirstUnusedId = 0x7f000000;
inline constexpr uint32_t kUnusedIds = 0x01000000;

// RLIMIT_NPROC does not hold for root, but for every other user. Where it is lower than this, which
// is enough for the threads of any worker, root's ids stay.
inline constexpr uint64_t kEnoughTasks = 32;

// ---- Namespaces ---------------------------------------------------------------------------------

// The namespaces that the worker enters by itself, all at once where that is granted. It is born
// into a pid namespace of its own, and, unless it gives up root's ids first, into a user namespace
// (broker/workers/spawn.cc).
struct NamespaceSpec {
  v1::Layer layer;
  int flag;
};

inline constexpr NamespaceSpec kNamespaces[] = {
    {v1::LAYER_MOUNT_NAMESPACE, CLONE_NEWNS},      {v1::LAYER_NET_NAMESPACE, CLONE_NEWNET},
    {v1::LAYER_IPC_NAMESPACE, CLONE_NEWIPC},       {v1::LAYER_UTS_NAMESPACE, CLONE_NEWUTS},
    {v1::LAYER_CGROUP_NAMESPACE, CLONE_NEWCGROUP},
};

// ---- Capabilities -------------------------------------------------------------------------------

// What the worker is born with, in a user namespace of its own and for as long as it confines
// itself. It keeps none.
struct CapabilitySpec {
  int capability;
  const char* name;
  const char* reason;
};

inline constexpr CapabilitySpec kConfinementCapabilities[] = {
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "make the other namespaces and the empty root"},
    {CAP_SETPCAP, "CAP_SETPCAP", "empty the bounding set, lock the secure bits"},
};

inline constexpr unsigned kSecurebits =
    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
    SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

// ---- Speculation --------------------------------------------------------------------------------

// Switched off with PR_SPEC_FORCE_DISABLE: there is no way back. The third control of this kind,
// PR_SPEC_L1D_FLUSH, is left alone: KVM flushes that cache at each VM entry where the processor
// needs it, and the kernel answers the control with SIGBUS where hyper-threading is on.
struct SpeculationSpec {
  unsigned long control;
  const char* name;
};

inline constexpr SpeculationSpec kSpeculation[] = {
    {PR_SPEC_STORE_BYPASS, "speculative store bypass"},
    {PR_SPEC_INDIRECT_BRANCH, "indirect branch speculation"},
};

// Whether `state`, an answer of PR_GET_SPECULATION_CTRL, says that this speculation cannot happen
// any more, by our doing or by that of others.
constexpr bool IsOffForGood(int state) {
  return state == PR_SPEC_NOT_AFFECTED || state == PR_SPEC_DISABLE ||  // for all processes
         (state > 0 && (state & PR_SPEC_FORCE_DISABLE) != 0);
}

// ---- Landlock -----------------------------------------------------------------------------------

// What each version of Landlock's ABI brought, as numbers of lowest bits: all are handled, and no
// rule grants one. Versions 7 and 8 have no new rights. A later kernel keeps these; what it may
// have besides, and what that would break, is not known here.
struct LandlockSpec {
  int abi;         // from this one on
  int fs_rights;   // LANDLOCK_ACCESS_FS_*
  int net_rights;  // LANDLOCK_ACCESS_NET_*
  int scopes;      // LANDLOCK_SCOPE_*
  const char* adds;
};

inline constexpr LandlockSpec kLandlock[] = {
    {1, 13, 0, 0, "files and directories"},
    {2, 14, 0, 0, "renames and links between directories"},
    {3, 15, 0, 0, "truncation"},
    {4, 15, 2, 0, "binding and connecting TCP sockets"},
    {5, 16, 2, 0, "ioctl on devices opened from here on"},
    {6, 16, 2, 2, "abstract UNIX sockets and signals of others"},
};

// ---- Resource limits ----------------------------------------------------------------------------

// Where a limit's value comes from.
enum class LimitValue : uint8_t {
  kFixed,
  kCpuSeconds,  // hotcell.v1.Setup's cpu_seconds; none where that is 0
};

// The most that is left, as soft and as hard limit. Where the worker inherits less, of one or of
// both, that stays: no limit is ever raised.
struct LimitSpec {
  int resource;  // RLIMIT_*
  const char* name;
  LimitValue from;
  uint64_t value;  // when kFixed
  const char* reason;
};

inline constexpr LimitSpec kConfinementLimits[] = {
    {RLIMIT_CORE, "core", LimitValue::kFixed, 0, "guest memory stays off the disk"},
    {RLIMIT_FSIZE, "fsize", LimitValue::kFixed, 0, "no file grows"},
    {RLIMIT_NOFILE, "nofile", LimitValue::kFixed, abi::kFdVcpu + abi::kMaxLanes,
     "no descriptor above the vCPUs'"},
    {RLIMIT_MEMLOCK, "memlock", LimitValue::kFixed, 0, "no memory withheld from the host"},
    {RLIMIT_MSGQUEUE, "msgqueue", LimitValue::kFixed, 0, "no kernel memory in message queues"},
    {RLIMIT_NICE, "nice", LimitValue::kFixed, 0, "no priority over others"},
    {RLIMIT_RTPRIO, "rtprio", LimitValue::kFixed, 0, "no priority over others"},
};

// Set when threads, descriptors and memory are all there.
inline constexpr LimitSpec kRunLimits[] = {
    {RLIMIT_NPROC, "nproc", LimitValue::kFixed, 0, "no more threads or processes"},
    {RLIMIT_NOFILE, "nofile", LimitValue::kFixed, 0, "no more descriptors"},
    {RLIMIT_AS, "as", LimitValue::kFixed, 0, "no more mappings, no stack grows"},
    {RLIMIT_DATA, "data", LimitValue::kFixed, 0, "no larger heap"},
    {RLIMIT_CPU, "cpu", LimitValue::kCpuSeconds, 0,
     "the kernel ends a worker that ignores the broker's Stop"},
};

}  // namespace hotcell::policy

#endif  // HOTCELL_POLICY_LAYERS_H_
