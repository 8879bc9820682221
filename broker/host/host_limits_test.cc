#include "broker/host/host_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

// A soft limit, which goes back to what it was.
class SoftLimit {
 public:
  SoftLimit(__rlimit_resource resource, rlim_t value) : resource_(resource) {
    getrlimit(resource, &before_);
    const rlimit lowered = {value, before_.rlim_max};
    set_ = setrlimit(resource, &lowered) == 0;
  }
  ~SoftLimit() { setrlimit(resource_, &before_); }
  SoftLimit(const SoftLimit&) = delete;
  SoftLimit& operator=(const SoftLimit&) = delete;
  bool is_set() const { return set_; }

 private:
  __rlimit_resource resource_;
  rlimit before_;
  bool set_ = false;
};

constexpr JobNeeds kNeeds = {.lanes = 1, .arena = 25 << 20, .guest_memory = 64 << 20};

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(WorkerDescriptorsTest, GrowWithTheLanes) {
  EXPECT_EQ(WorkerDescriptors(0), 72u);
  EXPECT_EQ(WorkerDescriptors(1), 74u);
  EXPECT_EQ(WorkerDescriptors(16), 104u);
}

TEST(CheckHostLimitsTest, NamesAFileSizeBelowTheArena) {
  const SoftLimit limit(RLIMIT_FSIZE, 1 << 20);
  ASSERT_TRUE(limit.is_set());
  const absl::Status status = CheckHostLimits(kNeeds);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FailureKindOf(status), FailureKind::kHost);
  EXPECT_THAT(MessageOf(status), HasSubstr("RLIMIT_FSIZE is 1048576 bytes; 26214400 are needed"));
}

TEST(CheckHostLimitsTest, AFileSizeOfTheArenaIsEnough) {
  const SoftLimit limit(RLIMIT_FSIZE, 25 << 20);
  ASSERT_TRUE(limit.is_set());
  EXPECT_TRUE(CheckHostLimits(kNeeds).ok());
}

TEST(CheckHostLimitsTest, NamesDataBelowTheGuestsMemory) {
  const SoftLimit limit(RLIMIT_DATA, 63 << 20);
  ASSERT_TRUE(limit.is_set());
  EXPECT_THAT(MessageOf(CheckHostLimits(kNeeds)),
              HasSubstr("RLIMIT_DATA is 66060288 bytes; 67108864 are needed"));
}

TEST(CheckHostLimitsTest, ASoftLimitOfDescriptorsIsTheWorkersToRaise) {
  const SoftLimit limit(RLIMIT_NOFILE, 20);
  ASSERT_TRUE(limit.is_set());
  EXPECT_TRUE(CheckHostLimits(kNeeds).ok());
}

TEST(ExplainErrnoTest, NamesTheLimitBehindAnErrno) {
  const SoftLimit files(RLIMIT_NOFILE, 77);
  const SoftLimit size(RLIMIT_FSIZE, 512);
  EXPECT_EQ(ExplainErrno(EMFILE), " (RLIMIT_NOFILE is 77, see ulimit -n)");
  EXPECT_EQ(ExplainErrno(EFBIG), " (RLIMIT_FSIZE is 512 bytes, see ulimit -f)");
  EXPECT_EQ(ExplainErrno(EIO), "");
}

TEST(ExplainErrnoTest, NamesNoLimitWhereThereIsNone) {
  const SoftLimit size(RLIMIT_FSIZE, RLIM_INFINITY);
  if (!size.is_set()) GTEST_SKIP() << "this process has a hard RLIMIT_FSIZE";
  EXPECT_EQ(ExplainErrno(EFBIG), "");
}

TEST(InheritedCpuTest, IsInfiniteWithoutALimit) {
  const SoftLimit cpu(RLIMIT_CPU, 3600);
  ASSERT_TRUE(cpu.is_set());
  EXPECT_EQ(InheritedCpu(), absl::Seconds(3600));
  EXPECT_THAT(MessageOf(CpuUsedUp(absl::Seconds(2))), HasSubstr("RLIMIT_CPU is 2 s"));
  EXPECT_EQ(FailureKindOf(CpuUsedUp(absl::Seconds(2))), FailureKind::kLimit);
  EXPECT_EQ(RemedyOf(CpuUsedUp(absl::Seconds(2)))->remedy, Remedy::kRaiseCpuLimit);
}

}  // namespace
}  // namespace hotcell::broker
