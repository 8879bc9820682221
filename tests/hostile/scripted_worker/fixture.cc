#include "tests/hostile/scripted_worker/fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/time/clock.h"

namespace hotcell::hostile {
namespace {

size_t CountEntries(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

// A field of /proc/self/status, bytes.
uint64_t MemoryField(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(name)) continue;
    uint64_t kib = 0;
    std::istringstream(line.substr(name.size())) >> kib;
    return kib << 10;
  }
  return 0;
}

// From here on VmHWM is the most memory that was in use since.
void ResetPeak() { std::ofstream("/proc/self/clear_refs") << 5; }

std::set<pid_t> Children() {
  std::set<pid_t> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) found.insert(child);
  }
  return found;
}

// Counts the namespaces that these processes are in and this one is not.
size_t CountNamespaces(const std::set<pid_t>& processes) {
  std::set<std::string> found;
  std::error_code error;
  const std::filesystem::path own("/proc/self/ns");
  for (const pid_t process : processes) {
    const auto other = std::filesystem::path("/proc") / std::to_string(process) / "ns";
    for (const auto& entry : std::filesystem::directory_iterator(own)) {
      const auto name = entry.path().filename();
      const auto theirs = std::filesystem::read_symlink(other / name, error);
      if (!error && theirs != std::filesystem::read_symlink(own / name, error)) {
        found.insert(theirs.string());
      }
    }
  }
  return found.size();
}

}  // namespace

std::string Frame(std::string_view body, uint32_t length) {
  return Script::Bytes(length).append(body);
}
std::string Frame(std::string_view body) { return Frame(body, static_cast<uint32_t>(body.size())); }
std::string Frame(const v1::FromWorker& message) { return Frame(message.SerializeAsString()); }

v1::FromWorker Confined() {
  v1::FromWorker message;
  for (int layer = v1::LAYER_NO_NEW_PRIVS; layer <= v1::LAYER_SECCOMP; ++layer) {
    v1::LayerResult& result = *message.mutable_confined()->add_layers();
    result.set_layer(static_cast<v1::Layer>(layer));
    result.set_state(v1::LAYER_STATE_ACHIEVED);
  }
  return message;
}

v1::FromWorker Ready() {
  v1::FromWorker message;
  message.mutable_ready();
  return message;
}

v1::FromWorker Output(std::string_view serial) {
  v1::FromWorker message;
  message.mutable_output()->set_serial(std::string(serial));
  return message;
}

v1::FromWorker Trace(std::string_view text) {
  v1::FromWorker message;
  message.mutable_trace()->set_text(std::string(text));
  return message;
}

v1::FromWorker Finished(v1::EndReason reason) {
  v1::FromWorker message;
  message.mutable_finished()->set_reason(reason);
  return message;
}

v1::FromWorker Violation(int syscall, v1::Phase phase) {
  v1::FromWorker message;
  message.mutable_violation()->set_syscall(syscall);
  message.mutable_violation()->set_phase(phase);
  return message;
}

v1::FromWorker Failure(int step, int error, std::string_view detail) {
  v1::FromWorker message;
  message.mutable_failure()->set_step(static_cast<v1::Step>(step));
  message.mutable_failure()->set_error(error);
  message.mutable_failure()->set_detail(std::string(detail));
  return message;
}

Script Running() { return Script().Write(Frame(Confined())).Write(Frame(Ready())).Receive(); }

ResourceCounts ResourceCounts::Count() {
  const std::set<pid_t> children = Children();
  return {.fds = CountEntries("/proc/self/fd"),
          .threads = CountEntries("/proc/self/task"),
          .children = children.size(),
          .namespaces = CountNamespaces(children)};
}

std::ostream& operator<<(std::ostream& out, const ResourceCounts& counts) {
  return out << counts.fds << " descriptors, " << counts.threads << " threads, " << counts.children
             << " children, " << counts.namespaces << " namespaces";
}

void HostileWorkerTest::SetUp() {
  options_.limits.wall_time = absl::Seconds(20);
  before_ = ResourceCounts::Count();
  MakeEngine({});
}

void HostileWorkerTest::MakeEngine(const PoolOptions& pool) {
  engine_.reset();
  absl::StatusOr<Engine> engine =
      Engine::Create({.worker_path = SCRIPTED_WORKER_PATH, .kvm_path = "/dev/null", .pool = pool});
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = std::make_unique<Engine>(*std::move(engine));
}

void HostileWorkerTest::TearDown() {
  options_ = {};
  serial_input_.clear();
  const absl::StatusOr<RunReply> good =
      Run(Running().Write(Frame(Finished(v1::END_REASON_HALTED))));
  EXPECT_TRUE(good.ok()) << "the next job: " << good.status();
  engine_.reset();
  EXPECT_EQ(ResourceCounts::Count(), before_);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

template <typename Job>
auto HostileWorkerTest::Measure(const Job& job) {
  ResetPeak();
  const uint64_t memory = MemoryField("VmRSS:");
  const absl::Time begin = absl::Now();
  auto result = job();
  elapsed_ = absl::Now() - begin;
  EXPECT_LT(MemoryField("VmHWM:"), memory + max_growth_);
  EXPECT_LT(elapsed_, options_.limits.wall_time + kSlack);
  return result;
}

absl::StatusOr<RunReply> HostileWorkerTest::Run(const Script& script) {
  RunRequest request;
  request.program = script.bytes();
  // A guest with a console has no lanes.
  request.mode = has_console_ ? GuestMode::kLong : GuestMode::kPayload;
  request.input = "!";  // stored after the program
  request.output_capacity = 4096;
  request.serial_input = serial_input_;
  request.options = options_;
  request.serial_output = [this](std::string_view text) { console_ = text; };
  request.trace = [this](std::string_view) { ++traces_; };
  return Measure([&] { return engine_->Run(request); });
}

absl::StatusOr<InfoReply> HostileWorkerTest::Info(const Script& script, uint64_t memory) {
  const int image = memfd_create("script", MFD_CLOEXEC);
  EXPECT_EQ(write(image, script.bytes().data(), script.bytes().size()),
            static_cast<ssize_t>(script.bytes().size()));
  InfoRequest request;
  request.source = {.fd = image, .name = "script", .format = "raw"};
  request.options = options_;
  request.options.limits.guest_memory = memory;
  auto reply = Measure([&] { return engine_->Info(request); });
  close(image);
  return reply;
}

std::string HostileWorkerTest::Error(const Script& script, absl::StatusCode code) {
  const absl::Status status = Run(script).status();
  EXPECT_EQ(status.code(), code) << status;
  return std::string(status.message());
}

std::string HostileWorkerTest::InfoError(const Script& script, absl::StatusCode code) {
  const absl::Status status = Info(script).status();
  EXPECT_EQ(status.code(), code) << status;
  return std::string(status.message());
}

}  // namespace hotcell::hostile
