#include "tests/hostile/compromised_worker/attacked_host.h"

#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "guest/abi/abi.h"
#include "vmm-worker/testing/elf_builder.h"

namespace hotcell::tests {
namespace {

using ::testing::HasSubstr;

constexpr char kContent[] = "the user's own\n";

// A guest of three instructions, of which the third takes the worker.
std::string Guest() {
  static_assert(abi::kPortExit == 0x518);
  constexpr std::string_view kCode(
      "\x31\xc0"          // xor eax, eax
      "\x66\xba\x18\x05"  // mov dx, kPortExit
      "\xef"              // out dx, eax
      "\x0f\x0b",         // ud2
      9);
  worker::testing::ElfBuilder builder;
  builder.AddSegment(abi::kPayloadBase, PF_R | PF_X, std::string(kCode), kCode.size());
  builder.header().e_entry = abi::kPayloadBase;
  return builder.Build();
}

class Victims {
 public:
  Victims() {
    directory_ = ::testing::TempDir() + "/hotcell-victim-XXXXXX";
    if (mkdtemp(directory_.data()) == nullptr) std::abort();
    file_ = directory_ + "/file";
    std::ofstream(file_) << kContent;
    process_ = fork();
    if (process_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (true) pause();
    }
  }
  ~Victims() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }

  const std::string& file() const { return file_; }
  pid_t process() const { return process_; }

 private:
  std::string directory_;
  std::string file_;
  pid_t process_ = -1;
};

const Victims& TheVictims() {
  static const Victims victims;
  return victims;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Engine MakeEngine(const char* worker) {
  absl::StatusOr<Engine> engine = Engine::Create({.worker_path = worker});
  if (!engine.ok()) {
    ADD_FAILURE() << engine.status();
    std::abort();
  }
  return *std::move(engine);
}

}  // namespace

const std::string& AttackedHost::VictimFile() { return TheVictims().file(); }
pid_t AttackedHost::VictimProcess() { return TheVictims().process(); }

const Engine& AttackedHost::engine(Confinement confinement) {
  static const Engine all = MakeEngine(HOTCELL_COMPROMISED_WORKER);
  static const Engine unfiltered = MakeEngine(HOTCELL_UNFILTERED_WORKER);
  static const Engine unlimited = MakeEngine(HOTCELL_UNLIMITED_WORKER);
  static const Engine trapping = MakeEngine(HOTCELL_TRAPPING_WORKER);
  switch (confinement) {
    case Confinement::kAll:
      return all;
    case Confinement::kLayersAlone:
      return unfiltered;
    case Confinement::kLayersWithoutLimits:
      return unlimited;
    case Confinement::kTrapsInTheRun:
      return trapping;
  }
  std::abort();
}

void AttackedHost::ReapWorkers() {
  engine(Confinement::kAll).ReapWorkers();
  engine(Confinement::kLayersAlone).ReapWorkers();
  engine(Confinement::kLayersWithoutLimits).ReapWorkers();
  engine(Confinement::kTrapsInTheRun).ReapWorkers();
}

void AttackedHost::SetUp() {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
  close(kvm);
  TheVictims();
}

void AttackedHost::TearDown() {
  if (IsSkipped()) return;
  EXPECT_EQ(ReadFile(VictimFile()), kContent);
  const std::filesystem::directory_iterator left(std::filesystem::path(VictimFile()).parent_path());
  EXPECT_EQ(std::distance(begin(left), end(left)), 1) << "there are new files";
  EXPECT_EQ(waitpid(VictimProcess(), nullptr, WNOHANG), 0) << "the victim has died";
  const Outcome next = Run(Chain().Call(SYS_tgkill, {1, 0, SIGUSR1}));
  EXPECT_TRUE(next.status.ok()) << "the next job: " << next.status;
}

RunRequest AttackedHost::Request(const Chain& chain) {
  RunRequest request;
  request.program = Guest();
  request.program_is_elf = true;
  request.mode = GuestMode::kPayload;
  request.memory_size = 16 << 20;
  request.vcpus = chain.needs_accomplice() ? 2 : 1;
  request.input.assign(reinterpret_cast<const char*>(&chain.attack()), sizeof(Attack));
  request.output_capacity = kMaxSteps * sizeof(StepResult);
  return request;
}

AttackedHost::Outcome AttackedHost::Run(const Chain& chain, Confinement confinement,
                                        absl::Duration deadline) {
  RunRequest request = Request(chain);
  request.options.limits.wall_time = deadline;
  const absl::Time start = absl::Now();
  absl::StatusOr<RunReply> reply = engine(confinement).Run(request);
  Outcome outcome{.status = reply.status(), .elapsed = absl::Now() - start};
  if (!reply.ok()) return outcome;
  outcome.worker = std::move(reply->worker);
  EXPECT_EQ(outcome.worker.end.exit_code, kAttackDone);
  outcome.results.resize(reply->output.size() / sizeof(StepResult));
  std::memcpy(outcome.results.data(), reply->output.data(),
              outcome.results.size() * sizeof(StepResult));
  outcome.results.resize(std::min<size_t>(outcome.results.size(), chain.attack().steps));
  return outcome;
}

void AttackedHost::ExpectViolation(const Outcome& outcome) {
  EXPECT_EQ(FailureKindOf(outcome.status), FailureKind::kViolation) << outcome.status;
  const Violation violation = ViolationOf(outcome.status).value_or(Violation());
  EXPECT_FALSE(violation.syscall.has_value()) << outcome.status;
  EXPECT_EQ(violation.phase, Phase::kRun);
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("killed by SIGSYS"));
  EXPECT_LT(outcome.elapsed, absl::Seconds(5));
}

void AttackedHost::ExpectCrash(const Outcome& outcome) {
  EXPECT_EQ(FailureKindOf(outcome.status), FailureKind::kWorkerDied) << outcome.status;
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("killed by signal 11 (SIGSEGV)"));
  EXPECT_LT(outcome.elapsed, absl::Seconds(5));
}

bool AttackedHost::HasLayer(Layer layer) {
  static const Outcome outcome = Run(Chain(), Confinement::kLayersAlone);
  return std::ranges::any_of(outcome.worker.layers, [layer](const LayerResult& result) {
    return result.layer == layer && result.state == LayerState::kAchieved;
  });
}

}  // namespace hotcell::tests
