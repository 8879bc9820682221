// No job outlives its limits of time or its cancellation, whatever it does. How punctual that is
// deadline_bench measures; a test runs on machines under load, and allows seconds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/load/sieges.h"

namespace hotcell::load {
namespace {

constexpr absl::Duration kSlack = absl::Seconds(5);

class DeadlineTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    }
    absl::StatusOr<Sieges> sieges = Sieges::Make();
    ASSERT_TRUE(sieges.ok()) << sieges.status();
    sieges_ = std::make_unique<Sieges>(*std::move(sieges));
  }

  // How long the job took.
  absl::Duration Run(const Siege& siege, const JobOptions& options, absl::StatusCode code,
                     const std::string& text) {
    const absl::Time begin = absl::Now();
    const absl::Status status = siege.run(options);
    const absl::Duration elapsed = absl::Now() - begin;
    EXPECT_EQ(status.code(), code) << siege.name << ": " << status;
    EXPECT_TRUE(absl::StrContains(status.message(), text)) << siege.name << ": " << status;
    return elapsed;
  }

  std::unique_ptr<Sieges> sieges_;
};

TEST_F(DeadlineTest, WallTimeEndsWhateverDoesNotEnd) {
  for (const Siege& siege : sieges_->all()) {
    for (const int limit : {5, 150}) {
      JobOptions options;
      options.limits.wall_time = absl::Milliseconds(limit);
      const absl::Duration elapsed =
          Run(siege, options, absl::StatusCode::kDeadlineExceeded, "`wall-time`");
      EXPECT_GE(elapsed, options.limits.wall_time) << siege.name;
      EXPECT_LT(elapsed, options.limits.wall_time + kSlack) << siege.name;
    }
  }
}

TEST_F(DeadlineTest, ProcessorTimeEndsWhateverBurnsIt) {
  for (const Siege& siege : sieges_->all()) {
    if (!siege.burns_cpu) continue;
    JobOptions options;
    options.limits.cpu_time = absl::Milliseconds(60);
    options.limits.wall_time = absl::Seconds(60);
    Run(siege, options, absl::StatusCode::kDeadlineExceeded, "`cpu-time`");
  }
}

TEST_F(DeadlineTest, CancellationEndsWhateverDoesNotEnd) {
  for (const Siege& siege : sieges_->all()) {
    Cancellation cancellation;
    JobOptions options;
    options.cancellation = &cancellation;
    std::thread canceller([&] {
      absl::SleepFor(absl::Milliseconds(80));
      cancellation.Cancel();
    });
    EXPECT_LT(Run(siege, options, absl::StatusCode::kCancelled, "cancelled"), kSlack) << siege.name;
    canceller.join();
  }
}

}  // namespace
}  // namespace hotcell::load
