#include "broker/lanes/output_pace.h"

#include <gtest/gtest.h>

#include "broker/host/monotonic_clock.h"

namespace hotcell::broker {
namespace {

TEST(OutputPaceTest, NeverWaitsWithoutARate) {
  OutputPace pace(0);
  EXPECT_FALSE(pace.limited());
  const std::atomic<bool> stop = false;
  for (int i = 0; i < 1000; ++i) pace.Wait(UINT64_MAX, stop);
}

TEST(OutputPaceTest, TakesAtLeastTheTimeThatTheRateAllows) {
  OutputPace pace(1 << 20);
  const std::atomic<bool> stop = false;
  const absl::Duration begin = MonotonicNow();
  // The first goes at once; the time of the last is not waited for.
  for (int i = 0; i < 5; ++i) pace.Wait(32 << 10, stop);
  EXPECT_GE(MonotonicNow() - begin, absl::Milliseconds(125));
}

// Would otherwise sleep for a week.
TEST(OutputPaceTest, EndsWhenTheJobDoes) {
  OutputPace pace(1);
  const std::atomic<bool> stop = true;
  pace.Wait(1 << 20, stop);
  pace.Wait(1 << 20, stop);
}

}  // namespace
}  // namespace hotcell::broker
