// The engine with the real worker: bare-metal guests, hostile payloads, and workers that die.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "broker/testing/temp_dir.h"
#include "hotcell/engine.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string Demo(const std::string& name) {
  return ReadFile(std::string(HOTCELL_DEMO_DIR) + "/" + name);
}

size_t CountEntries(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

// The one child that this process has, waited for.
pid_t WaitForChild() {
  for (int i = 0; i < 1000; ++i) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      pid_t child = 0;
      if (std::ifstream(task.path() / "children") >> child) return child;
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
  return -1;
}

class EngineKvmTest : public testing::Test {
 protected:
  void SetUp() override {
    const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm.valid()) GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOTCELL_WORKER_PATH});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::make_unique<Engine>(*std::move(engine));
  }

  RunRequest Flat(const std::string& demo, GuestMode mode, uint64_t address) {
    RunRequest request;
    request.program = Demo(demo);
    EXPECT_FALSE(request.program.empty()) << demo;
    request.mode = mode;
    request.load_address = address;
    request.entry = address;
    request.serial_output = [this](std::string_view text) { serial_ += text; };
    request.options.limits.wall_time = absl::Seconds(20);
    return request;
  }
  absl::StatusOr<RunReply> Attack(char kind) {
    RunRequest request;
    request.program = ReadFile(HOSTILE_PAYLOAD_PATH);
    request.program_is_elf = true;
    request.mode = GuestMode::kPayload;
    request.input = std::string(1, kind);
    request.output_capacity = 16;
    request.options.limits.wall_time = absl::Seconds(20);
    return engine_->Run(request);
  }

  std::unique_ptr<Engine> engine_;
  std::string serial_;
};

TEST_F(EngineKvmTest, ALongModeGuestSpeaksAndHalts) {
  const auto reply = engine_->Run(Flat("long_hello.bin", GuestMode::kLong, 0x10000));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->worker.end.reason, EndReason::kHalted);
  EXPECT_THAT(serial_, HasSubstr("Hello from KVM guest!"));
}

TEST_F(EngineKvmTest, ARealModeGuestReportsItsResultAndDirtyPages) {
  RunRequest request = Flat("real_sum.bin", GuestMode::kReal, 0x1000);
  request.log_dirty_pages = true;
  const auto reply = engine_->Run(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->worker.end.result, 210u);
  EXPECT_FALSE(reply->worker.end.dirty_pages.empty());
}

TEST_F(EngineKvmTest, APayloadLeavesItsOutput) {
  RunRequest request;
  request.program = ReadFile(HELLO_PAYLOAD_PATH);
  request.program_is_elf = true;
  request.mode = GuestMode::kPayload;
  request.output_capacity = 100;
  const auto reply = engine_->Run(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->output, "Hello from CPL 3!\n");
}

TEST_F(EngineKvmTest, LayersOfSetUpCanBeRequiredAndAreReported) {
  RunRequest request = Flat("long_hello.bin", GuestMode::kLong, 0x10000);
  request.options.required_layers = {Layer::kDontdump, Layer::kRunRlimits};
  const auto reply = engine_->Run(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  std::set<Layer> achieved;
  for (const LayerResult& layer : reply->worker.layers) {
    EXPECT_NE(layer.state, LayerState::kPending) << LayerName(layer.layer);
    if (layer.state == LayerState::kAchieved) achieved.insert(layer.layer);
  }
  EXPECT_TRUE(achieved.contains(Layer::kDontdump));
  EXPECT_TRUE(achieved.contains(Layer::kRunRlimits));
}

TEST_F(EngineKvmTest, AnEndlessGuestMeetsItsDeadline) {
  RunRequest request = Flat("long_endless_loop.bin", GuestMode::kLong, 0x10000);
  request.options.limits.wall_time = absl::Milliseconds(500);
  const absl::Time start = absl::Now();
  const absl::Status status = engine_->Run(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

// The kernel's limit is for a worker that does not obey; one that does meets the broker's first.
TEST_F(EngineKvmTest, AnEndlessGuestMeetsItsCpuTime) {
  RunRequest request = Flat("long_endless_loop.bin", GuestMode::kLong, 0x10000);
  request.options.limits.cpu_time = absl::Milliseconds(300);
  const absl::Status status = engine_->Run(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("`cpu-time`"));
}

TEST_F(EngineKvmTest, AWorkerKilledInMidJobIsAnErrorThatSaysSo) {
  const RunRequest request = Flat("long_endless_loop.bin", GuestMode::kLong, 0x10000);
  std::thread killer([] {
    const pid_t worker = WaitForChild();
    absl::SleepFor(absl::Milliseconds(500));  // into the guest's loop
    kill(worker, SIGKILL);
  });
  const absl::Status status = engine_->Run(request).status();
  killer.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("signal 9 (SIGKILL)"));
}

TEST_F(EngineKvmTest, APayloadThatBreaksItsRingsEndsWithTheReason) {
  const std::pair<char, const char*> attacks[] = {
      {'i', "1000 requests in a submission ring of 128"},
      {'o', "unknown opcode (0x63)"},
      {'s', "slot 3, which is none of the job's files"}};
  for (const auto& [kind, reason] : attacks) {
    const absl::Status status = Attack(kind).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
  }
}

TEST_F(EngineKvmTest, APayloadThatFaultsTellsTheException) {
  const auto page = Attack('f');
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->worker.end.reason, EndReason::kGuestFault);
  EXPECT_EQ(page->worker.end.fault.value().vector, 14u);
  EXPECT_EQ(page->worker.end.registers.cr2, 0x10u);
  const auto port = Attack('p');
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(port->worker.end.reason, EndReason::kGuestFault);
  EXPECT_EQ(port->worker.end.fault.value().vector, 13u);
}

TEST_F(EngineKvmTest, APayloadThatLiesAboutSizesIsCutShort) {
  const auto reply = Attack('l');
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->output.size(), 16u);
}

TEST_F(EngineKvmTest, AHundredJobsLeaveNothing) {
  const TempDir dir;
  dir.Write("disk.raw", std::string(100000, 'x'));
  const UniqueFd fd = dir.Open("disk.raw", O_RDONLY);
  InfoRequest request;
  request.source = {.fd = fd.get(), .name = "disk.raw"};
  ASSERT_TRUE(engine_->Info(request).ok());
  engine_->ReapWorkers();
  size_t fds = CountEntries("/proc/self/fd");
  const size_t threads = CountEntries("/proc/self/task");
  for (int i = 0; i < 100; ++i) {
    const auto reply = engine_->Info(request);
    ASSERT_TRUE(reply.ok()) << reply.status();
    ASSERT_EQ(reply->info.virtual_size, 100352u);       // whole sectors
    EXPECT_LE(CountEntries("/proc/self/fd"), fds + 8);  // the workers that are still to be reaped
  }
  engine_.reset();
  fds -= 2;  // the engine's own
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(CountEntries("/proc/self/task"), threads);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

class PooledEngineTest : public EngineKvmTest {
 protected:
  void SetUp() override {
    EngineKvmTest::SetUp();
    if (IsSkipped()) return;
    engine_.reset();
    Make({.info_workers = 2, .convert_workers = 1, .lanes = 2, .limits = {}});
    disk_.Write("disk.raw", std::string(3 << 20, 'x'));
    fd_ = disk_.Open("disk.raw", O_RDONLY);
    info_.source = {.fd = fd_.get(), .name = "disk.raw", .format = "raw"};
  }
  void Make(const PoolOptions& pool) {
    absl::StatusOr<Engine> engine =
        Engine::Create({.worker_path = HOTCELL_WORKER_PATH, .pool = pool});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::make_unique<Engine>(*std::move(engine));
  }
  // Whether a job that may be served by the pool is, within seconds.
  template <typename Job>
  static bool GetsPooled(const Job& job) {
    for (int i = 0; i < 300; ++i) {
      if (WasPooled(job())) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  // A worker from the pool was ready before its job came.
  template <typename Reply>
  static bool WasPooled(const absl::StatusOr<Reply>& reply) {
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() && reply->worker.times.ready == absl::ZeroDuration();
  }
  absl::StatusOr<ConvertReply> Convert(uint32_t lanes) {
    const UniqueFd target(memfd_create("target", MFD_CLOEXEC));
    ConvertRequest request;
    request.source = info_.source;
    request.target_fd = target.get();
    request.target_format = "qcow2";
    request.lanes = lanes;
    return engine_->Convert(request);
  }

  TempDir disk_;
  UniqueFd fd_;
  InfoRequest info_;
};

TEST_F(PooledEngineTest, ReadyWorkersServeAndAreReplaced) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(GetsPooled([&] { return engine_->Info(info_); })) << i;
    EXPECT_TRUE(GetsPooled([&] { return Convert(2); })) << i;
  }
}

TEST_F(PooledEngineTest, EachServesOneJob) {
  std::set<int32_t> pids;
  for (int i = 0; i < 20; ++i) {
    const auto reply = engine_->Info(info_);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->info.virtual_size, uint64_t{3} << 20);
    EXPECT_TRUE(pids.insert(reply->worker.pid).second) << "a worker served twice";
  }
}

TEST_F(PooledEngineTest, JobsThatWantSomethingElseStartTheirOwn) {
  ASSERT_TRUE(GetsPooled([&] { return engine_->Info(info_); }));
  absl::SleepFor(absl::Milliseconds(100));  // all are ready
  EXPECT_FALSE(WasPooled(Convert(1)));
  info_.options.limits.guest_memory += 1 << 20;
  EXPECT_FALSE(WasPooled(engine_->Info(info_)));
}

TEST_F(PooledEngineTest, RequiredLayersAreCheckedForTheJob) {
  ASSERT_TRUE(GetsPooled([&] { return engine_->Info(info_); }));
  absl::SleepFor(absl::Milliseconds(100));
  info_.options.required_layers = {Layer{}};  // nobody has that
  const absl::Status status = engine_->Info(info_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}

TEST_F(PooledEngineTest, WorkersKilledWhileTheyWaitAreReplaced) {
  ASSERT_TRUE(GetsPooled([&] { return engine_->Info(info_); }));
  absl::SleepFor(absl::Milliseconds(100));
  std::vector<pid_t> killed;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) killed.push_back(child);
  }
  EXPECT_GE(killed.size(), 3u);
  for (const pid_t worker : killed) kill(worker, SIGKILL);
  for (const pid_t worker : killed) {
    for (int i = 0; i < 1000 && kill(worker, 0) == 0; ++i) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_NE(kill(worker, 0), 0) << "nobody reaped it";
  }
  // Cold at first, or with a worker that came since.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(engine_->Info(info_).ok());
  EXPECT_TRUE(GetsPooled([&] { return engine_->Info(info_); }));
}

TEST_F(PooledEngineTest, ManyThreadsShareThePoolAndLeaveNothing) {
  engine_.reset();
  const size_t fds = CountEntries("/proc/self/fd");
  const size_t threads = CountEntries("/proc/self/task");
  Make({.info_workers = 3, .convert_workers = 1, .lanes = 1, .limits = {}});
  std::vector<std::thread> callers;
  std::atomic<int> good = 0;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 20; ++i) {
        good += caller % 2 == 0 ? engine_->Info(info_).ok() : Convert(1).ok();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 80);
  engine_.reset();
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(CountEntries("/proc/self/task"), threads);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(PooledEngineTest, APoolThatCannotBeIsRefused) {
  EXPECT_FALSE(Engine::Create({.worker_path = HOTCELL_WORKER_PATH,
                               .pool = {.convert_workers = 1, .lanes = 17, .limits = {}}})
                   .ok());
  PoolOptions small = {.info_workers = 1, .limits = {}};
  small.limits.guest_memory = 4096;
  EXPECT_FALSE(Engine::Create({.worker_path = HOTCELL_WORKER_PATH, .pool = small}).ok());
}

}  // namespace
}  // namespace hotcell::broker
