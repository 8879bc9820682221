// Workers that misbehave while they wait in the pool for a job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "absl/time/clock.h"
#include "tests/hostile/scripted_worker/fixture.h"

namespace hotcell::hostile {
namespace {

using testing::HasSubstr;

class PoolTest : public HostileWorkerTest {
 protected:
  void MakePool(uint64_t memory) {
    PoolOptions pool = {.info_workers = 2, .limits = {}};
    pool.limits.guest_memory = memory;
    MakeEngine(pool);
  }
  // Workers that were seen within a time.
  static size_t CountStarted(absl::Duration time) {
    std::set<pid_t> seen;
    for (const absl::Time end = absl::Now() + time; absl::Now() < end;) {
      for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream children(task.path() / "children");
        for (pid_t child = 0; children >> child;) seen.insert(child);
      }
      absl::SleepFor(absl::Microseconds(500));
    }
    return seen.size();
  }
};

Script ExitWith(uint32_t code) {
  v1::FromWorker message = Finished(v1::END_REASON_EXITED);
  message.mutable_finished()->set_exit_code(code);
  return Script().Write(Frame(message));
}

TEST_F(PoolTest, GoodWorkersWaitForTheirJob) {
  MakePool(kMisbehaves);
  EXPECT_EQ(CountStarted(absl::Milliseconds(300)), 2u);
  EXPECT_THAT(std::string(Info(ExitWith(5)).status().message()), HasSubstr("code 5"));
}

TEST_F(PoolTest, WorkersThatTalkWhenReadyAreReplacedAtAModestPace) {
  MakePool(kTalksWhenReady);
  EXPECT_LE(CountStarted(absl::Seconds(1)), 20u);
  // Whether the one it gets is fresh or has just become unusable.
  EXPECT_THAT(std::string(Info(ExitWith(5), kTalksWhenReady).status().message()),
              HasSubstr("code 5"));
}

TEST_F(PoolTest, AFloodWhileTheyStartHoldsUpNoOtherJob) {
  MakePool(kFloodsAtSetup);
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_THAT(std::string(Info(ExitWith(5)).status().message()), HasSubstr("code 5"));
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(PoolTest, HalfAFrameWhileTheyStartHoldsUpNoOtherJob) {
  MakePool(kDripsAtSetup);
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_THAT(std::string(Info(ExitWith(5)).status().message()), HasSubstr("code 5"));
}

TEST_F(PoolTest, AFullWakeWhileTheyWaitHoldsUpTheirJobUntilItsDeadline) {
  MakePool(kFillsWakes);
  absl::SleepFor(absl::Milliseconds(100));
  options_.limits.wall_time = absl::Milliseconds(250);
  EXPECT_EQ(Info(Script(), kFillsWakes).status().code(), kDeadline);
}

}  // namespace
}  // namespace hotcell::hostile
