#include "broker/workers/worker_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "broker/testing/fake_worker.h"
#include "hotcell/workers.h"

namespace hotcell::broker {
namespace {

size_t CountEntries(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

// The fake worker reads how it is to behave from its guest's memory size.
WorkerShape Shape(FakeBehaviour behaviour) {
  return {.guest_memory = static_cast<uint64_t>(behaviour), .report_bytes = 4096};
}
const WorkerShape kGood = Shape(FakeBehaviour::kFinishes);

TEST(CpuSecondsTest, AreMoreThanTheJobMayUse) {
  EXPECT_EQ(CpuSeconds(absl::Milliseconds(1)), 6u);
  EXPECT_EQ(CpuSeconds(absl::Seconds(10)), 15u);
  EXPECT_EQ(CpuSeconds(absl::Hours(48)), 48u * 3600 + 5);
}

TEST(CpuSecondsTest, AreUnlimitedWhereTheJobIs) {
  EXPECT_EQ(CpuSeconds(absl::InfiniteDuration()), 0u);
  EXPECT_EQ(CpuSeconds(absl::Hours(24 * 365 * 200)), 0u);
}

class WorkerPoolTest : public testing::Test {
 protected:
  WorkerPoolTest()
      : worker_(open(FAKE_WORKER_PATH, O_PATH | O_CLOEXEC)),
        kvm_(open("/dev/null", O_RDWR | O_CLOEXEC)) {}

  std::unique_ptr<WorkerPool> Make(WorkerShape shape, uint32_t count) {
    absl::StatusOr<std::unique_ptr<WorkerPool>> pool =
        WorkerPool::Create({.worker_fd = worker_.get(), .kvm_fd = kvm_.get()},
                           {{.shape = shape, .count = count}}, dying_);
    EXPECT_TRUE(pool.ok()) << pool.status();
    return *std::move(pool);
  }
  static std::unique_ptr<Worker> TakeSoon(WorkerPool& pool, const WorkerShape& shape) {
    std::unique_ptr<Worker> worker;
    Eventually([&] { return (worker = pool.Take(shape)) != nullptr; });
    return worker;
  }

  UniqueFd worker_;
  UniqueFd kvm_;
  DyingWorkers dying_;
};

TEST_F(WorkerPoolTest, GivesReadyWorkersAndReplacesThem) {
  const auto pool = Make(kGood, 2);
  for (int i = 0; i < 6; ++i) {
    const std::unique_ptr<Worker> worker = TakeSoon(*pool, kGood);
    ASSERT_NE(worker, nullptr) << i;
    EXPECT_TRUE(worker->ready());
    EXPECT_TRUE(worker->confined().has_value());
    EXPECT_FALSE(worker->IsUnusable());
    pool->WakeThread();
  }
}

TEST_F(WorkerPoolTest, GivesNoWorkerOfAnotherShape) {
  const auto pool = Make(kGood, 1);
  const std::unique_ptr<Worker> worker = TakeSoon(*pool, kGood);
  ASSERT_NE(worker, nullptr);
  pool->WakeThread();
  absl::SleepFor(absl::Milliseconds(50));  // another of that shape gets ready
  std::vector<WorkerShape> others(4, kGood);
  others[0].guest_memory += 4096;
  others[1].report_bytes += 1;
  others[2].lanes += 1;
  others[3].forward_doorbells = true;
  for (const WorkerShape& other : others) EXPECT_EQ(pool->Take(other), nullptr);
  EXPECT_NE(TakeSoon(*pool, kGood), nullptr);
}

TEST_F(WorkerPoolTest, ReplacesOneThatDiedWhileItWaited) {
  const auto pool = Make(kGood, 1);
  pid_t victim = 0;
  {
    // Taken, so that its number is known, and given up, which kills it; the next one is watched.
    const std::unique_ptr<Worker> worker = TakeSoon(*pool, kGood);
    ASSERT_NE(worker, nullptr);
    victim = worker->process()->pid();
    pool->WakeThread();
  }
  pid_t waiting = 0;
  ASSERT_TRUE(Eventually([&] {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::unique_ptr<std::FILE, int (*)(std::FILE*)> children(
          std::fopen((task.path() / "children").c_str(), "re"), &std::fclose);
      if (children != nullptr && std::fscanf(children.get(), "%d", &waiting) == 1) {
        return waiting != victim;
      }
    }
    return false;
  }));
  absl::SleepFor(absl::Milliseconds(50));  // it gets ready
  ASSERT_EQ(kill(waiting, SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] { return kill(waiting, 0) != 0; })) << "nobody reaped it";
  const std::unique_ptr<Worker> next = TakeSoon(*pool, kGood);
  ASSERT_NE(next, nullptr);
  EXPECT_NE(next->process()->pid(), waiting);
  EXPECT_FALSE(next->IsUnusable());
}

TEST_F(WorkerPoolTest, DropsWorkersThatFailInTheirSetUp) {
  for (const FakeBehaviour behaviour :
       {FakeBehaviour::kGarbage, FakeBehaviour::kExits, FakeBehaviour::kNoSeccomp,
        FakeBehaviour::kFailedLayer, FakeBehaviour::kFails, FakeBehaviour::kReadyFirst}) {
    const auto pool = Make(Shape(behaviour), 1);
    absl::SleepFor(absl::Milliseconds(30));
    EXPECT_EQ(pool->Take(Shape(behaviour)), nullptr) << static_cast<int>(behaviour);
  }
}

// Stops a child that is called as this program is: it has not executed its own yet.
bool StopBeforeExec() {
  std::string self;
  std::ifstream("/proc/self/comm") >> self;
  const std::string thread = "hotcell-pool";
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) {
      const std::string directory = "/proc/" + std::to_string(child);
      const auto is_unborn = [&] {
        std::string name;
        std::ifstream(directory + "/comm") >> name;
        return name == self || name == thread;
      };
      if (!is_unborn()) continue;
      kill(child, SIGSTOP);
      absl::SleepFor(absl::Milliseconds(2));
      if (is_unborn()) return true;
      kill(child, SIGCONT);
    }
  }
  return false;
}

TEST_F(WorkerPoolTest, EndsThoughAWorkerIsStoppedBeforeItBegins) {
  auto pool = Make(kGood, 2);
  const absl::Time end = absl::Now() + absl::Seconds(30);
  bool stopped = false;
  while (!stopped && absl::Now() < end) {
    pool->Take(kGood);  // and given up, so that another is started
    pool->WakeThread();
    for (int i = 0; i < 20 && !stopped; ++i) stopped = StopBeforeExec();
  }
  ASSERT_TRUE(stopped);

  pool.reset();

  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
}

TEST_F(WorkerPoolTest, KillWorkersKillsAndReapsNobodyElse) {
  const pid_t other = fork();
  if (other == 0) {
    pause();
    _exit(0);
  }
  auto pool = Make(kGood, 1);
  const std::unique_ptr<Worker> worker = TakeSoon(*pool, kGood);
  ASSERT_NE(worker, nullptr);
  const pid_t pid = worker->process()->pid();
  ASSERT_EQ(kill(pid, 0), 0);

  KillWorkers();

  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(waitpid(other, nullptr, WNOHANG), 0) << "not a worker, and no longer there";
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
}

TEST_F(WorkerPoolTest, LeavesNothing) {
  const size_t fds = CountEntries("/proc/self/fd");
  const size_t threads = CountEntries("/proc/self/task");
  for (int i = 0; i < 5; ++i) {
    const auto pool = Make(kGood, 3);
    EXPECT_TRUE(i % 2 == 0 || TakeSoon(*pool, kGood) != nullptr);
  }
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(CountEntries("/proc/self/task"), threads);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace hotcell::broker
