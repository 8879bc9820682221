#include "guest/runtime/common/lane_team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "guest/runtime/native/thread_port.h"

namespace hotcell::guest {
namespace {

// Threads for the lanes other than 0, dismissed and joined at the end.
class Crew {
 public:
  explicit Crew(uint32_t count) : team(count, port) {
    for (uint32_t lane = 1; lane < count; ++lane) {
      threads_.emplace_back([this, lane] { team.Serve(lane); });
    }
  }
  ~Crew() {
    team.Dismiss();
    for (std::thread& thread : threads_) thread.join();
  }

  LaneTeam team;
  ThreadPort port;

 private:
  std::vector<std::thread> threads_;
};

class CountTask final : public LaneTeam::Task {
 public:
  explicit CountTask(uint32_t slow_lane = abi::kMaxLanes) : slow_lane_(slow_lane) {}

  void Run(uint32_t lane) override {
    if (lane == slow_lane_) std::this_thread::sleep_for(std::chrono::milliseconds(30));
    ++runs[lane];  // not atomic: only its lane writes it, and lane 0 reads it afterwards
  }

  int runs[abi::kMaxLanes] = {};

 private:
  const uint32_t slow_lane_;
};

TEST(LaneTeam, OfOneRunsOnTheCaller) {
  ThreadPort port;
  LaneTeam team(1, port);
  CountTask task;
  team.RunOnAll(task);
  EXPECT_EQ(task.runs[0], 1);
  EXPECT_EQ(port.waits(), 0u);
}

TEST(LaneTeam, RunsEveryTaskOnceOnEveryLane) {
  Crew crew(4);
  CountTask task;
  for (int round = 0; round < 2000; ++round) crew.team.RunOnAll(task);
  for (uint32_t lane = 0; lane < 4; ++lane) EXPECT_EQ(task.runs[lane], 2000) << lane;
}

TEST(LaneTeam, WaitsForTheSlowestLane) {
  Crew crew(3);
  CountTask task(2);
  crew.team.RunOnAll(task);
  EXPECT_EQ(task.runs[2], 1);
}

TEST(LaneTeam, LanesSleepWhileThereIsNoWorkAndWakeForIt) {
  Crew crew(3);
  // Long after the spinning has ended, even on a busy machine.
  while (crew.port.waits() < 2) std::this_thread::yield();
  CountTask task(0);
  crew.team.RunOnAll(task);
  EXPECT_EQ(task.runs[1], 1);
  EXPECT_EQ(task.runs[2], 1);
}

TEST(LaneTeam, AWakeThatCameForSomethingElseDoesNotRunATask) {
  Crew crew(2);
  while (crew.port.waits() < 1) std::this_thread::yield();
  crew.port.Wake(1);
  while (crew.port.waits() < 2) std::this_thread::yield();
  CountTask task;
  crew.team.RunOnAll(task);
  EXPECT_EQ(task.runs[1], 1);
}

}  // namespace
}  // namespace hotcell::guest
