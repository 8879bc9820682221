#include "vmm-worker/job.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "vmm-worker/confinement/confinement.h"
#include "vmm-worker/confinement/gate.h"
#include "vmm-worker/confinement/limits.h"
#include "vmm-worker/frames.h"
#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/machine.h"
#include "vmm-worker/narration.h"
#include "vmm-worker/own_memory.h"
#include "vmm-worker/platform/exit_loop.h"

namespace hotcell::worker {
namespace {

constexpr int kExitFinished = 0;
constexpr int kExitFailed = 1;

// Bytes of heap for all that the worker allocates once it can no longer ask the kernel: a Start
// with its serial input, and frames of its own.
constexpr size_t kHeapReserve = size_t{4} * abi::kMaxFrameToWorker;
constexpr size_t kVcpuStackSize = 256 << 10;

constexpr v1::Step StepOfLimit(int resource) {
  switch (resource) {
    case RLIMIT_NPROC:
      return v1::STEP_LOWER_NPROC;
    case RLIMIT_NOFILE:
      return v1::STEP_LOWER_NOFILE;
    case RLIMIT_AS:
      return v1::STEP_LOWER_AS;
    case RLIMIT_DATA:
      return v1::STEP_LOWER_DATA;
    case RLIMIT_CPU:
      return v1::STEP_LOWER_CPU;
    default:
      return v1::STEP_UNSPECIFIED;
  }
}
static_assert(std::ranges::none_of(policy::kRunLimits, [](const policy::LimitSpec& limit) {
  return StepOfLimit(limit.resource) == v1::STEP_UNSPECIFIED;
}));

void OnKick(int /*signal*/) {}

class Job {
 public:
  explicit Job(std::span<const std::byte> builtin) : builtin_(builtin) {}

  [[noreturn]] void Run();
  [[noreturn]] void Fail(const Error& error);

 private:
  struct VcpuThread {
    Job* job = nullptr;
    uint32_t index = 0;
    pid_t id = 0;
    Mapping stack;
    ExitCounts counts;
  };

  // Reports the end of the guest, if none was reported yet; otherwise never returns either, since
  // the thread that did ends the process.
  [[noreturn]] void Finish(uint32_t vcpu, const GuestEnd& end);
  // Blocks the calling thread until the process ends.
  [[noreturn]] void Park();

  void Confine();
  const v1::ToWorker& ReadMessage(v1::ToWorker::MessageCase expected);
  void StartThreads();
  void WaitForThreads();
  void LoadAndStart();
  [[noreturn]] void StopVcpus();
  static void Pause();
  static void* VcpuMain(void* argument);
  void RunThread(VcpuThread& thread);

  const std::span<const std::byte> builtin_;
  const pid_t process_id_ = getpid();
  FrameChannel channel_{abi::kFdControlIn, abi::kFdControlOut};
  Narration narration_{channel_};
  std::unique_ptr<Machine> machine_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> ended_ = false;

  Gate threads_ready_;  // one for each
  Status memory_status_;
  Gate locked_down_;
  Gate started_;
  Gate never_;
};

void Job::Fail(const Error& error) {
  v1::FromWorker message;
  message.mutable_failure()->set_step(error.step);
  message.mutable_failure()->set_error(error.error);
  message.mutable_failure()->set_detail(error.detail);
  channel_.Write(message);
  _exit(kExitFailed);
}

void Job::Park() {
  while (true) never_.WaitFor(1);
}

void Job::Finish(uint32_t vcpu, const GuestEnd& end) {
  if (ended_.exchange(true)) Park();
  v1::FromWorker message;
  v1::Finished& finished = *message.mutable_finished();
  Describe(end, vcpu, machine_->vcpu(vcpu).regs(), machine_->vcpu(vcpu).sregs(), finished);
  for (const auto& thread : threads_) thread->counts.AddTo(*finished.mutable_exits());
  machine_->platform().Finish(finished);
  machine_->Finish(finished);
  if (end.reason == v1::END_REASON_HALTED) {
    narration_.Tell(StrCat("HLT: the guest halted at RIP=", Hex(finished.registers().rip()),
                           " after ", finished.exits().total(), " exits"));
  }
  if (!channel_.Write(message)) {
    // Too long only with the most scattered dirty pages, which can be done without.
    finished.clear_dirty_pages();
    channel_.Write(message);
  }
  _exit(kExitFinished);
}

void Job::Confine() {
  v1::FromWorker message;
  v1::Confined& confined = *message.mutable_confined();
  ApplyLayers(confined);
  const bool filtered = InstallSetupFilter();
  v1::LayerResult& seccomp = *confined.add_layers();
  seccomp.set_layer(v1::LAYER_SECCOMP);
  seccomp.set_state(filtered ? v1::LAYER_STATE_ACHIEVED : v1::LAYER_STATE_FAILED);
  if (!filtered) seccomp.set_error(errno);
  channel_.Write(message);
  if (!filtered) Fail({v1::STEP_INSTALL_SETUP_FILTER, seccomp.error(), {}});
}

const v1::ToWorker& Job::ReadMessage(v1::ToWorker::MessageCase expected) {
  Result<const v1::ToWorker*> message = channel_.Read();
  if (!message.ok()) Fail(message.error());
  if (*message == nullptr) _exit(kExitFailed);  // the broker is gone
  if ((*message)->message_case() != expected) {
    Fail({v1::STEP_READ_FRAME, 0, "a message came that this state does not have"});
  }
  return **message;
}

void* Job::VcpuMain(void* argument) {
  auto& thread = *static_cast<VcpuThread*>(argument);
  thread.job->RunThread(thread);
  return nullptr;
}

void Job::StartThreads() {
  // Without SA_RESTART: a kick also ends the read(2) of a waiting lane.
  struct sigaction action {};
  action.sa_handler = &OnKick;
  if (sigaction(SIGUSR1, &action, nullptr) != 0) Fail(ErrnoError(v1::STEP_SIGACTION));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  for (uint32_t i = 0; i < machine_->vcpu_count(); ++i) {
    auto thread = std::make_unique<VcpuThread>();
    thread->job = this;
    thread->index = i;
    Result<Mapping> stack = Mapping::Stack(kVcpuStackSize);
    if (!stack.ok()) Fail({v1::STEP_MAP_STACK, stack.error().error, {}});
    thread->stack = std::move(*stack);
    pthread_attr_setstack(&attributes, thread->stack.bytes().data() + abi::kPageSize,
                          kVcpuStackSize);
    pthread_t handle{};
    const int error = pthread_create(&handle, &attributes, &VcpuMain, thread.get());
    if (error != 0) Fail({v1::STEP_START_THREAD, error, {}});
    threads_.push_back(std::move(thread));
  }
}

void Job::WaitForThreads() {
  // A new thread makes system calls of its own before it gets to our code; they belong to set-up.
  threads_ready_.WaitFor(threads_.size());
}

void Job::RunThread(VcpuThread& thread) {
  thread.id = gettid();
  if (thread.index == 0) memory_status_ = machine_->PrepareMemory();
  threads_ready_.Add();
  if (thread.index == 0) {
    locked_down_.WaitFor(1);
    LoadAndStart();
  } else {
    started_.WaitFor(1);
  }
  const std::optional<GuestEnd> end = RunVcpu(machine_->vcpu(thread.index), thread.index,
                                              machine_->platform(), stop_, thread.counts);
  if (!end) Park();
  Finish(thread.index, *end);
}

// Runs on the thread that enters the guest first. The built-in program, which is trusted, runs
// until it needs its job.
void Job::LoadAndStart() {
  v1::Start start;
  if (!machine_->runs_builtin()) {
    start = ReadMessage(v1::ToWorker::kStart).start();
    narration_.Decide(start.verbose());
  }
  if (Status status = machine_->Load(start); !status.ok()) {
    Finish(0, {.reason = v1::END_REASON_LOAD_ERROR, .detail = status.error().detail});
  }
  started_.Add();
}

void Job::StopVcpus() {
  stop_.store(true, std::memory_order_release);
  for (uint32_t i = 0; i < machine_->vcpu_count(); ++i) machine_->vcpu(i).RequestExit();
  // More than once: a lane may be about to block in its wait port just when the signal comes. The
  // process ends as soon as one of them has reported.
  while (true) {
    for (const auto& thread : threads_) syscall(SYS_tgkill, process_id_, thread->id, SIGUSR1);
    Pause();
  }
}

void Job::Pause() {
  // A relative timeout: glibc's timed waits ask a clock, which on some hosts is a system call.
  constexpr timespec kInterval{.tv_sec = 0, .tv_nsec = 2'000'000};
  uint32_t never = 0;
  syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &kInterval, nullptr, 0);
}

void Job::Run() {
  PayloadSeeds seeds;
  if (getrandom(&seeds, sizeof(seeds), 0) != sizeof(seeds)) Fail(ErrnoError(v1::STEP_GETRANDOM));
  const rlimit cpu_limit = InheritedCpuLimit();
  Confine();

  const v1::Setup setup = ReadMessage(v1::ToWorker::kSetup).setup();
  Result<std::unique_ptr<Machine>> machine = Machine::Create(setup, seeds, builtin_, narration_);
  if (!machine.ok()) Fail(machine.error());
  machine_ = std::move(*machine);
  StartThreads();  // the first one prepares the memory meanwhile
  if (Status status = machine_->MakeVm(channel_); !status.ok()) Fail(status.error());
  WaitForThreads();
  if (!memory_status_.ok()) Fail(memory_status_.error());
  if (Status status = HideOwnMemoryFromDumps(); !status.ok()) Fail(status.error());
  const policy::RunExtra extra = setup.log_dirty_pages()     ? policy::RunExtra::kDirtyLog
                                 : setup.forward_doorbells() ? policy::RunExtra::kDoorbells
                                                             : policy::RunExtra::kNothing;
  const LimitFailure limit = LowerRunLimits(setup.cpu_seconds(), cpu_limit);
  if (limit.error != 0) Fail({StepOfLimit(limit.resource), limit.error, {}});
  if (!InstallRunFilter(machine_->vcpu_count(), extra)) {
    Fail(ErrnoError(v1::STEP_INSTALL_RUN_FILTER));
  }
  v1::FromWorker ready;
  ReportSetupLayers(*ready.mutable_ready());
  channel_.Write(ready);

  locked_down_.Add();
  started_.WaitFor(1);
  if (machine_->runs_builtin()) ReadMessage(v1::ToWorker::kStart);
  machine_->WarmArenaLater();
  ReadMessage(v1::ToWorker::kStop);
  StopVcpus();
}

}  // namespace

void HostJob(std::span<const std::byte> builtin) {
  ReserveHeap(kHeapReserve);
  Result<Mapping> stack = MapMainStack();
  if (!stack.ok()) Job(builtin).Fail({v1::STEP_MAP_STACK, stack.error().error, {}});
  SwitchStack(
      stack->bytes(),
      [](void* program) { Job(*static_cast<std::span<const std::byte>*>(program)).Run(); },
      &builtin);
}

}  // namespace hotcell::worker
