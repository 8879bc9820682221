// An engine whose workers wait for their jobs, in the hands of servers that fork, of a kernel that
// kills, and of whoever destroys it too early.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "tests/api/memory_file.h"

namespace hotcell {
namespace {

using ::testing::HasSubstr;

std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(task.path() / "children");
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

std::string Name(pid_t process) {
  std::string name;
  std::ifstream("/proc/" + std::to_string(process) + "/comm") >> name;
  return name;
}

// Returns when none of the process' threads runs any more: until then they may still do a part of a
// job.
void StopAndWait(pid_t process) {
  kill(process, SIGSTOP);
  const auto is_running = [](const std::filesystem::path& task) {
    std::ifstream file(task / "stat");
    const std::string stat((std::istreambuf_iterator<char>(file)), {});
    const size_t name_end = stat.rfind(") ");
    return name_end != std::string::npos && stat[name_end + 2] != 'T';
  };
  const std::filesystem::path tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    while (is_running(task.path())) absl::SleepFor(absl::Milliseconds(1));
  }
}

// Exit status of a child that does `work`.
pid_t Fork(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work() ? 0 : 1);
  return child;
}

bool EndedWell(pid_t child) {
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class PoolTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kWorkers = 3;

  void SetUp() override {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    close(kvm);
    absl::StatusOr<Engine> engine =
        Engine::Create({.worker_path = HOTCELL_WORKER_PATH,
                        .pool = {.info_workers = 0, .convert_workers = kWorkers, .lanes = 2}});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::make_unique<Engine>(*std::move(engine));
    WaitUntilFull();
  }

  // Workers that have not executed their program are called as this one is.
  static void WaitUntilFull() {
    for (int i = 0; i < 2000; ++i) {
      size_t ready = 0;
      for (const pid_t child : Children()) ready += Name(child) == "hotcell-worker" ? 1 : 0;
      if (ready >= kWorkers) break;
      absl::SleepFor(absl::Milliseconds(5));
    }
    absl::SleepFor(absl::Milliseconds(300));  // they make their virtual machines
  }

  static ConvertRequest Request(const MemoryFile& source, const MemoryFile& target) {
    ConvertRequest request;
    request.source = {.fd = source.fd(), .name = "source", .format = "raw"};
    request.target_fd = target.fd();
    request.target_format = "raw";
    request.lanes = 2;  // as the pool's
    return request;
  }

  // Whether a conversion gives the right bytes.
  bool Convert(size_t size = 3 * kMebibyte) const {
    const MemoryFile source(DiskContent(size));
    const MemoryFile target;
    const auto reply = engine_->Convert(Request(source, target));
    if (!reply.ok()) std::fprintf(stderr, "%d: %s\n", getpid(), reply.status().ToString().c_str());
    return reply.ok() && target.Content() == source.Content();
  }
  // Whether `count` conversions, one after the other, give the right bytes.
  bool ConvertOften(int count) const {
    for (int i = 0; i < count; ++i) {
      if (!Convert()) return false;
    }
    return true;
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(PoolTest, EachProcessOfAPreForkServerGetsItsOwnResults) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) children.push_back(Fork([&] { return ConvertOften(6); }));

  EXPECT_TRUE(ConvertOften(6));

  for (const pid_t child : children) EXPECT_TRUE(EndedWell(child));
  EXPECT_TRUE(ConvertOften(3));
}

TEST_F(PoolTest, ManyChildrenInTurnLeaveTheParentsJobsAlone) {
  for (int i = 0; i < 30; ++i) {
    const pid_t child = Fork([&] { return Convert(64 << 10); });
    EXPECT_TRUE(Convert(64 << 10)) << i;
    EXPECT_TRUE(EndedWell(child)) << i;
  }
}

TEST_F(PoolTest, ForkInTheMiddleOfAJob) {
  std::atomic<bool> right = false;
  std::thread job([&] { right = Convert(64 * kMebibyte); });
  std::vector<pid_t> children;
  for (int i = 0; i < 5; ++i) {
    absl::SleepFor(absl::Milliseconds(5));
    children.push_back(Fork([&] { return ConvertOften(2); }));
  }
  job.join();

  EXPECT_TRUE(right);
  for (const pid_t child : children) EXPECT_TRUE(EndedWell(child));
}

TEST_F(PoolTest, ChildThatDestroysItsCopyTouchesNoWorker) {
  const std::vector<pid_t> before = Children();

  EXPECT_TRUE(EndedWell(Fork([&] {
    engine_.reset();
    return true;
  })));
  EXPECT_TRUE(EndedWell(Fork([&] {
    const bool right = Convert();
    engine_.reset();
    return right && waitpid(-1, nullptr, __WALL) == -1 && errno == ECHILD;
  })));

  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(Children(), before);
  EXPECT_TRUE(ConvertOften(3));
}

TEST_F(PoolTest, ChildHasNoMemoryOfItsParentsJobs) {
  EXPECT_TRUE(EndedWell(Fork([] {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
      if (line.find("hotcell-arena") != std::string::npos) return false;
    }
    return true;
  })));
}

// The test kills as the out-of-memory killer does, for which waiting workers are as good as any.
TEST_F(PoolTest, WorkerThatWasKilledWhileItWaitedIsReplaced) {
  for (int i = 0; i < 15; ++i) {
    for (const pid_t worker : Children()) {
      if (Name(worker) == "hotcell-worker") kill(worker, SIGKILL);
    }
    EXPECT_TRUE(Convert()) << i;
    WaitUntilFull();
  }
}

TEST_F(PoolTest, WorkerThatWasStoppedWhileItWaitedIsReplaced) {
  const std::vector<pid_t> stopped = Children();
  for (const pid_t worker : stopped) StopAndWait(worker);
  const absl::Time begin = absl::Now();

  for (uint32_t i = 0; i < kWorkers; ++i) EXPECT_TRUE(Convert()) << i;

  EXPECT_LT(absl::Now() - begin, absl::Seconds(30));
  for (const pid_t worker : stopped) EXPECT_NE(kill(worker, 0), 0) << "nobody reaped " << worker;
}

TEST_F(PoolTest, DestructorWaitsForJobsUnderWay) {
  std::atomic<bool> running = false;
  std::atomic<bool> ended = false;
  const MemoryFile source(DiskContent(64 * kMebibyte));
  const MemoryFile target;
  absl::Status status;
  const Engine& engine = *engine_;
  std::thread job([&] {
    ConvertRequest request = Request(source, target);
    request.options.progress = [&](uint64_t, uint64_t) { running = true; };
    request.target_format = "qcow2";
    request.compress = true;
    status = engine.Convert(request).status();
    ended = true;
  });
  while (!running) absl::SleepFor(absl::Milliseconds(1));

  engine_.reset();
  job.join();

  EXPECT_TRUE(ended);
  EXPECT_TRUE(status.ok()) << status;
}

using PoolDeathTest = PoolTest;

TEST_F(PoolDeathTest, EngineThatIsDestroyedByItsOwnCallbackIsToldSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, target);
  request.options.progress = [&](uint64_t, uint64_t) { engine_.reset(); };

  EXPECT_DEATH((void)engine_->Convert(request), "destroyed by a callback of a job of its own");
}

}  // namespace
}  // namespace hotcell
