#include "broker/host/host_limits.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "broker/host/control_group.h"
#include "guest/abi/abi.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell {
namespace broker {
namespace {

// The program and the heap of a worker: less than it has.
constexpr uint64_t kWorkerProgram = 4 << 20;

// Processes and threads: this process and the thread with which the command watches its jobs, a
// worker, the thread that KVM starts for a virtual machine, and for each lane an I/O thread and a
// vCPU's.
constexpr absl::string_view kTasksNeeded = "6 are needed for one lane, and 2 for each one more,";

struct LimitName {
  __rlimit_resource resource;
  absl::string_view name;    // "RLIMIT_AS"
  absl::string_view unit;    // behind the number
  absl::string_view option;  // where it usually comes from
};
constexpr LimitName kNofile = {RLIMIT_NOFILE, "RLIMIT_NOFILE", "", "ulimit -n"};
constexpr LimitName kNproc = {RLIMIT_NPROC, "RLIMIT_NPROC", "", "ulimit -u"};
constexpr LimitName kAs = {RLIMIT_AS, "RLIMIT_AS", " bytes", "ulimit -v"};
constexpr LimitName kData = {RLIMIT_DATA, "RLIMIT_DATA", " bytes", "ulimit -d"};
constexpr LimitName kStack = {RLIMIT_STACK, "RLIMIT_STACK", " bytes", "ulimit -s"};
constexpr LimitName kFsize = {RLIMIT_FSIZE, "RLIMIT_FSIZE", " bytes", "ulimit -f"};

// Infinite when the kernel, or a filter in its place, does not tell.
rlimit Get(__rlimit_resource resource) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return {RLIM_INFINITY, RLIM_INFINITY};
  return limit;
}

// "RLIMIT_AS is 1048576 bytes"; nothing where there is no limit.
std::optional<std::string> Describe(const LimitName& limit) {
  const rlim_t value = Get(limit.resource).rlim_cur;
  if (value == RLIM_INFINITY) return std::nullopt;
  return absl::StrCat(limit.name, " is ", value, limit.unit);
}

void Add(std::vector<std::string>& facts, const LimitName& limit) {
  if (std::optional<std::string> fact = Describe(limit); fact.has_value()) {
    facts.push_back(absl::StrCat(*fact, ", see ", limit.option));
  }
}

std::vector<std::string> FactsAboutTasks() {
  std::vector<std::string> facts;
  // The kernel does not count those of root, but of a container's, who is no root of the host: then
  // a low limit may be it.
  constexpr rlim_t kLow = 1024;
  const bool counts = geteuid() != 0 || Get(RLIMIT_NPROC).rlim_cur < kLow;
  if (const auto nproc = counts ? Describe(kNproc) : std::nullopt; nproc.has_value()) {
    facts.push_back(absl::StrCat(*nproc, "; ", kTasksNeeded,
                                 " besides the user's other processes and threads, see ",
                                 kNproc.option));
  }
  if (const auto tasks = ReadControlGroups().tasks; tasks.has_value()) {
    facts.push_back(absl::StrCat("pids.max of its control group is ", *tasks, "; ", kTasksNeeded,
                                 " besides the group's other processes and threads"));
  }
  return facts;
}

std::vector<std::string> FactsAboutMemory() {
  std::vector<std::string> facts;
  Add(facts, kAs);
  Add(facts, kData);
  // More is what no program asks for before its first line, and what comes then has its own stack.
  constexpr rlim_t kLittleStack = 64 << 10;
  if (Get(RLIMIT_STACK).rlim_cur < kLittleStack) Add(facts, kStack);
  if (const auto memory = ReadControlGroups().memory; memory.has_value()) {
    facts.push_back(absl::StrCat("the memory limit of its control group is ", *memory, " bytes"));
  }
  return facts;
}

absl::Status Check(const LimitName& limit, rlim_t value, uint64_t needed, absl::string_view what) {
  if (value >= needed) return absl::OkStatus();
  return WithFailureKind(
      absl::ResourceExhaustedError(absl::StrCat(limit.name, " is ", value, limit.unit, "; ", needed,
                                                " are needed ", what, " (", limit.option, ")")),
      FailureKind::kHost);
}

}  // namespace

uint64_t WorkerDescriptors(uint32_t lanes) {
  constexpr uint64_t kScratch = abi::kFdVcpu + abi::kMaxLanes;
  // Standard descriptors, control pipes, KVM, arena, and the program.
  constexpr uint64_t kAlways = 3 + 2 + 1 + 1 + 1;
  return kScratch + kAlways + 2 * uint64_t{lanes};
}

absl::Status CheckHostLimits(const JobNeeds& needs) {
  const uint64_t shared_and_own = needs.arena + needs.guest_memory;
  const struct {
    const LimitName& limit;
    rlim_t value;
    uint64_t needed;
    absl::string_view what;
  } checks[] = {
      // A worker raises its soft limit.
      {kNofile, Get(RLIMIT_NOFILE).rlim_max, WorkerDescriptors(needs.lanes), "to start a worker"},
      {kFsize, Get(RLIMIT_FSIZE).rlim_cur, needs.arena,
       "for the memory that worker and guest share with this process"},
      {kAs, Get(RLIMIT_AS).rlim_cur, shared_and_own + kWorkerProgram, "by the worker"},
      {kData, Get(RLIMIT_DATA).rlim_cur, needs.guest_memory, "for the guest's memory"},
  };
  for (const auto& one : checks) {
    if (absl::Status status = Check(one.limit, one.value, one.needed, one.what); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace broker

std::string ExplainErrno(int error) {
  using namespace broker;
  std::vector<std::string> facts;
  switch (error) {
    case EMFILE:
      Add(facts, kNofile);
      break;
    case EFBIG:
      Add(facts, kFsize);
      break;
    case EAGAIN:
      facts = FactsAboutTasks();
      break;
    case ENOMEM:
      facts = FactsAboutMemory();
      break;
    default:
      break;
  }
  return facts.empty() ? "" : absl::StrCat(" (", absl::StrJoin(facts, "; "), ")");
}

namespace broker {

std::string ExplainRefusal(int error) {
  if (error != EPERM && error != ENOSYS && error != EACCES) return "";
  // 0: there is no filter. A filter may forbid to ask.
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0) return "";
  return " (an outer seccomp filter, such as a container's profile, may be refusing the call)";
}

absl::Duration InheritedCpu() {
  const rlim_t seconds = Get(RLIMIT_CPU).rlim_cur;
  return seconds == RLIM_INFINITY ? absl::InfiniteDuration()
                                  : absl::Seconds(static_cast<int64_t>(seconds));
}

absl::Status CpuUsedUp(absl::Duration limit) {
  const absl::Status error = absl::ResourceExhaustedError(absl::StrCat(
      "RLIMIT_CPU is ", absl::ToInt64Seconds(limit), " s, and the worker has used them up"));
  return WithFailureKind(WithRemedy(error, Remedy::kRaiseCpuLimit), FailureKind::kLimit);
}

}  // namespace broker
}  // namespace hotcell
