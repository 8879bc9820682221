#include "vmm-worker/confinement/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "tests/support/process_limits.h"
#include "tests/syscall_probe/client.h"

namespace hotcell::worker {
namespace {

using testing::AllOf;
using testing::Field;
using tests::Probe;
using tests::ProbeRequestKind;

auto IsLimit(rlim_t soft, rlim_t hard) {
  return AllOf(Field("rlim_cur", &rlimit::rlim_cur, soft),
               Field("rlim_max", &rlimit::rlim_max, hard));
}

TEST(LowerOfTest, TakesTheSmallerOfEach) {
  EXPECT_THAT(LowerOf({RLIM_INFINITY, RLIM_INFINITY}, 5), IsLimit(5, 5));
  EXPECT_THAT(LowerOf({2, RLIM_INFINITY}, 5), IsLimit(2, 5));
  EXPECT_THAT(LowerOf({2, 3}, 5), IsLimit(2, 3));
  EXPECT_THAT(LowerOf({2, 3}, 0), IsLimit(0, 0));
  EXPECT_THAT(LowerOf({2, 3}, RLIM_INFINITY), IsLimit(2, 3));
}

// What became of a limit, hard limit included, that a worker inherits. Runs in a process of its
// own, which cannot raise it again.
struct Inherited {
  __rlimit_resource resource;
  rlimit value;
};

std::optional<rlimit> LimitOfLockedDownProbe(uint32_t cpu_seconds, __rlimit_resource resource) {
  absl::StatusOr<Probe> probe = Probe::Start();
  if (!probe.ok()) return std::nullopt;
  probe->ApplyLayers();
  const auto setup = probe->Do(ProbeRequestKind::kInstallSetupFilter);
  if (!setup || setup->result != 1) return std::nullopt;
  const auto run = probe->Do(ProbeRequestKind::kInstallRunFilter, {1, 0, int64_t{cpu_seconds}});
  if (!run || run->result != 1) return std::nullopt;
  return tests::LimitOfProcess(probe->pid(), resource);
}

void ExpectAfterInheriting(const Inherited& inherited, uint32_t cpu_seconds,
                           const rlimit& expected) {
  const pid_t child = fork();
  if (child == 0) {
    if (setrlimit(inherited.resource, &inherited.value) != 0) _exit(2);
    const std::optional<rlimit> limit = LimitOfLockedDownProbe(cpu_seconds, inherited.resource);
    if (!limit) _exit(3);
    _exit(limit->rlim_cur == expected.rlim_cur && limit->rlim_max == expected.rlim_max ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
}

TEST(InheritedLimitsTest, AHardLimitOfCpuTimeBelowOursStays) {
  ExpectAfterInheriting({RLIMIT_CPU, {30, 30}}, 77, {30, 30});
}

TEST(InheritedLimitsTest, ASoftLimitOfCpuTimeBelowOursIsTheHardOneToo) {
  ExpectAfterInheriting({RLIMIT_CPU, {30, RLIM_INFINITY}}, 77, {30, 30});
}

TEST(InheritedLimitsTest, OneAboveOursIsLowered) {
  ExpectAfterInheriting({RLIMIT_CPU, {500, 600}}, 77, {77, 77});
}

TEST(InheritedLimitsTest, OneOfCpuTimeHoldsForAJobWithout) {
  ExpectAfterInheriting({RLIMIT_CPU, {500, 600}}, 0, {500, 500});
}

}  // namespace
}  // namespace hotcell::worker
