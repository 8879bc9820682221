#include "tools/hotcell/common/watch.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>

#include "hotcell/failure.h"
#include "hotcell/output_file.h"
#include "hotcell/remedy.h"
#include "hotcell/workers.h"
#include "tools/hotcell/common/served_files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr std::chrono::milliseconds kInterval(100);
// 2 s between the moment at which a job should have ended and that at which the process does. A job
// that is not held up ends within a fraction of it.
constexpr int kGraceLooks = 20;
// The time for what the process would like to do before it ends.
constexpr std::chrono::milliseconds kTidyTime(300);

constexpr int64_t kNever = INT64_MAX;
constexpr size_t kStack = 256 << 10;

// When the time is up, by CLOCK_MONOTONIC, and how long the job may take; nanoseconds.
std::atomic<int64_t> time_is_up = kNever;
std::atomic<int64_t> wall_time_ns = kNever;

absl::Duration Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

bool StartThread(pthread_t& thread, void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, &attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

struct Tidying {
  std::mutex mutex;
  std::condition_variable condition;
  bool done = false;
  bool has_served_files = true;  // while nobody knows better
};

// Each of these calls may be one more that does not return.
void* TidyUp(void* argument) {
  Tidying& tidying = *static_cast<Tidying*>(argument);
  KillWorkers();
  OutputFile::RemoveTemporaries();
  const bool has_served_files = HasServedFiles();
  const std::lock_guard lock(tidying.mutex);
  tidying.has_served_files = has_served_files;
  tidying.done = true;
  tidying.condition.notify_one();
  return nullptr;
}

// The last process to have a file of a FUSE server's open waits for that server when it ends. So
// that it is not this one, another shares its descriptors from now on, and ends after it. That one
// may wait for as long as the server is there, and has nothing but those files.
void LeaveDescriptorsOpen() {
  const pid_t self = getpid();
  const long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child != 0) return;  // without it, this process may wait
  // Nobody who reads what this one has printed shall wait for more.
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(standard);
  constexpr timespec kStep = {.tv_sec = 0, .tv_nsec = 1'000'000};
  while (getppid() == self) nanosleep(&kStep, nullptr);
  _exit(0);
}

void TidyUpInTime() {
  // It is never destroyed: whoever tidies up may come back to it while the process ends.
  auto* const tidying = new Tidying;
  pthread_t thread{};
  if (StartThread(thread, TidyUp, tidying)) {
    std::unique_lock lock(tidying->mutex);
    tidying->condition.wait_for(lock, kTidyTime, [&] { return tidying->done; });
    // It would be one more child that is left to nobody.
    if (!tidying->has_served_files) return;
  }
  LeaveDescriptorsOpen();
}

}  // namespace

Watch::Watch(const ErrorManner& manner) : manner_(manner) {
  running_ = StartThread(thread_, &Watch::ThreadMain, this);
}

Watch::~Watch() {
  if (!running_) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_one();
  pthread_join(thread_, nullptr);
}

void* Watch::ThreadMain(void* watch) {
  pthread_setname_np(pthread_self(), "hotcell-watch");
  static_cast<Watch*>(watch)->Run();
  return nullptr;
}

void Watch::Run() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kInterval, [this] { return stop_; })) {
    EndIfHeldUp();
  }
}

void Watch::EndIfHeldUp() {
  if (const int fatal = JobSignals::Fatal(); fatal != 0) {
    TidyUpInTime();
    JobSignals::DieOf(fatal);
  }
  if (const int signal = JobSignals::Arrived(); signal != signal_) {
    signal_ = signal;
    looks_after_signal_ = 0;
  }
  if (signal_ != 0 && ++looks_after_signal_ > kGraceLooks) {
    End(absl::CancelledError(Cat("cancelled by SIG", sigabbrev_np(signal_), "; ", manner_.held_up)),
        signal_);
  }
  const int64_t end = time_is_up;
  looks_after_time_ = end == kNever || Now() < absl::Nanoseconds(end) ? 0 : looks_after_time_ + 1;
  if (looks_after_time_ <= kGraceLooks) return;
  const absl::Duration limit = absl::Nanoseconds(wall_time_ns.load());
  const absl::Status late =
      manner_.late.empty() ? WithRemedy(absl::DeadlineExceededError(Cat(
                                            "the job took longer than its limit `wall-time` of ",
                                            absl::FormatDuration(limit))),
                                        Remedy::kRaiseWallTime)
                           : absl::DeadlineExceededError(AbslView(manner_.late));
  End(Reworded(late, Cat(View(late.message()), "; ", manner_.held_up)), 0);
}

void Watch::End(const absl::Status& reason, int signal) const {
  int status = ReportLastError(manner_.command, reason, manner_.format);
  if (status == kExitFailure) status = manner_.failed;
  if (signal != 0) status = kExitSignalBase + signal;
  TidyUpInTime();
  _exit(status);
}

JobTime::JobTime(absl::Duration wall_time) : wall_time_(wall_time) {
  wall_time_ns = absl::ToInt64Nanoseconds(wall_time);
  Restart();
}

JobTime::~JobTime() { time_is_up = kNever; }

absl::Duration LastWallTime() {
  const int64_t nanoseconds = wall_time_ns;
  return nanoseconds == kNever ? absl::InfiniteDuration() : absl::Nanoseconds(nanoseconds);
}

void JobTime::Restart() const {
  // If the limit is centuries, the sum is the largest there is: never.
  time_is_up = absl::ToInt64Nanoseconds(Now() + wall_time_);
}

}  // namespace hotcell::cli
