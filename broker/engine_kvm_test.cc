// The engine with the real worker: bare-metal guests, hostile payloads, and workers that die.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

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

  RunRequest Flat(const std::string& demo, v1::GuestMode mode, uint64_t address) {
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
    request.mode = v1::GUEST_MODE_PAYLOAD;
    request.input = std::string(1, kind);
    request.output_capacity = 16;
    request.options.limits.wall_time = absl::Seconds(20);
    return engine_->Run(request);
  }

  std::unique_ptr<Engine> engine_;
  std::string serial_;
};

TEST_F(EngineKvmTest, ALongModeGuestSpeaksAndHalts) {
  const auto reply = engine_->Run(Flat("long_hello.bin", v1::GUEST_MODE_LONG, 0x10000));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->worker.finished.reason(), v1::END_REASON_HALTED);
  EXPECT_THAT(serial_, HasSubstr("Hello from KVM guest!"));
}

TEST_F(EngineKvmTest, ARealModeGuestReportsItsResultAndDirtyPages) {
  RunRequest request = Flat("real_sum.bin", v1::GUEST_MODE_REAL, 0x1000);
  request.log_dirty_pages = true;
  const auto reply = engine_->Run(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->worker.finished.result_port_value(), 210u);
  EXPECT_GT(reply->worker.finished.dirty_pages_size(), 0);
}

TEST_F(EngineKvmTest, APayloadLeavesItsOutput) {
  RunRequest request;
  request.program = ReadFile(HELLO_PAYLOAD_PATH);
  request.program_is_elf = true;
  request.mode = v1::GUEST_MODE_PAYLOAD;
  request.output_capacity = 100;
  const auto reply = engine_->Run(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->output, "Hello from CPL 3!\n");
}

TEST_F(EngineKvmTest, AnEndlessGuestMeetsItsDeadline) {
  RunRequest request = Flat("long_endless_loop.bin", v1::GUEST_MODE_LONG, 0x10000);
  request.options.limits.wall_time = absl::Milliseconds(500);
  const absl::Time start = absl::Now();
  const absl::Status status = engine_->Run(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST_F(EngineKvmTest, AnEndlessGuestMeetsItsCpuTime) {
  RunRequest request = Flat("long_endless_loop.bin", v1::GUEST_MODE_LONG, 0x10000);
  request.options.limits.cpu_time = absl::Milliseconds(300);
  const absl::Status status = engine_->Run(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("`cpu_time`"));
}

TEST_F(EngineKvmTest, AWorkerKilledInMidJobIsAnErrorThatSaysSo) {
  const RunRequest request = Flat("long_endless_loop.bin", v1::GUEST_MODE_LONG, 0x10000);
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
      {'i', "1000 requests in a submission ring of 64"},
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
  EXPECT_EQ(page->worker.finished.reason(), v1::END_REASON_GUEST_FAULT);
  EXPECT_EQ(page->worker.finished.fault().vector(), 14u);
  EXPECT_EQ(page->worker.finished.registers().cr2(), 0x10u);
  const auto port = Attack('p');
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(port->worker.finished.reason(), v1::END_REASON_GUEST_FAULT);
  EXPECT_EQ(port->worker.finished.fault().vector(), 13u);
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
    ASSERT_EQ(reply->info.virtual_size(), 100352u);     // whole sectors
    EXPECT_LE(CountEntries("/proc/self/fd"), fds + 8);  // the workers that are still to be reaped
  }
  engine_.reset();
  fds -= 2;  // the engine's own
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(CountEntries("/proc/self/task"), threads);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace hotcell::broker
