#include "vmm-worker/confinement/gate.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hotcell::worker {
namespace {

TEST(GateTest, IsOpenFromTheBeginningForNothing) {
  Gate gate;
  gate.WaitFor(0);
}

TEST(GateTest, LetsAllPassWhoWaitedForTheLast) {
  constexpr int kThreads = 4;
  Gate arrived;
  Gate opened;
  std::vector<int> seen(kThreads);
  int written = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      arrived.Add();
      opened.WaitFor(1);
      seen[i] = written;
    });
  }
  arrived.WaitFor(kThreads);
  written = 7;
  opened.Add();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, std::vector<int>(kThreads, 7));
}

}  // namespace
}  // namespace hotcell::worker
