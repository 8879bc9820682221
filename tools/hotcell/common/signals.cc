#include "tools/hotcell/common/signals.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "hotcell/engine.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/invocation.h"

namespace hotcell::cli {
namespace {

constexpr int kCancelling[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};
constexpr int kFailedWrites[] = {SIGPIPE, SIGXFSZ};

std::atomic<Cancellation*> cancellation_of_job = nullptr;
std::atomic<int> caught_signal = 0;
std::atomic<bool> progress_requested = false;
std::atomic<uint64_t> cpu_seconds = 0;  // of RLIMIT_CPU
sigset_t blocked_signals;               // by whoever started the command
std::atomic<bool> is_watched = false;
std::atomic<int> fatal_signal = 0;
static_assert(std::atomic<Cancellation*>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
              std::atomic<int64_t>::is_always_lock_free);

// How often each of kCancelling has asked for the end, and when last (CLOCK_MONOTONIC).
struct SignalCount {
  std::atomic<int> count = 0;
  std::atomic<int64_t> nanoseconds = 0;
};
std::array<SignalCount, std::size(kCancelling)> signal_counts;

void Install(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  (void)sigaction(signal, &action, nullptr);  // fails for invalid numbers only
}

// How often the signal has asked for the end; 0: this one belongs to the request before it.
int CountSignal(int signal) {
  constexpr int64_t kSameRequest = 500'000'000;  // ns
  size_t i = 0;
  while (i + 1 < signal_counts.size() && kCancelling[i] != signal) ++i;
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  const int64_t now = time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
  if (signal_counts[i].count != 0 && now - signal_counts[i].nanoseconds < kSameRequest) return 0;
  signal_counts[i].nanoseconds = now;
  return ++signal_counts[i].count;
}

void OnCancel(int signal) {
  const int saved_errno = errno;
  const int count = CountSignal(signal);
  if (count == 1) {
    caught_signal = signal;
    if (Cancellation* cancellation = cancellation_of_job) cancellation->Cancel();
  } else if (count == 2 && is_watched) {
    fatal_signal = signal;
  } else if (count >= 2) {
    Install(signal, SIG_DFL, 0);
    (void)raise(signal);  // when this returns
  }
  errno = saved_errno;
}

void OnProgress(int) { progress_requested = true; }

// A write that fails is told by its errno. Not SIG_IGN, which the worker would inherit.
void OnFailedWrite(int) {}

}  // namespace

JobSignals::JobSignals(Cancellation& cancellation, const ErrorManner& manner) : manner_(manner) {
  cancellation_of_job = &cancellation;
  (void)pthread_sigmask(SIG_BLOCK, nullptr, &blocked_signals);
  caught_signal = 0;
  fatal_signal = 0;
  progress_requested = false;
  for (SignalCount& signal : signal_counts) signal.count = 0;
  for (const int signal : kCancelling) {
    // nohup's choice stands.
    struct sigaction current = {};
    if (sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) continue;
    Install(signal, OnCancel, SA_RESTART);
  }
  Install(SIGUSR1, OnProgress, SA_RESTART);
  for (const int signal : kFailedWrites) Install(signal, OnFailedWrite, SA_RESTART);
  WatchCpuLimit();
  watch_.emplace(manner);
  is_watched = watch_->running();
}

// At the hard limit the kernel kills without a word, also where the soft one is no lower, as
// prlimit(1) sets them.
void JobSignals::WatchCpuLimit() {
  // This process's time as the limit counts it: by ticks of the kernel's clock, from which
  // CLOCK_PROCESS_CPUTIME_ID may differ by a good part. (~0 << 3) | CPUCLOCK_PROF.
  constexpr clockid_t kLimitedCpuClock = -8;
  constexpr long kBefore = 200'000'000;  // ns: what it takes to give up, and more
  rlimit limit;
  if (getrlimit(RLIMIT_CPU, &limit) != 0) return;
  cpu_seconds = limit.rlim_cur;  // now: with the signal, the kernel puts it up by one
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max == 0) return;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGXCPU;
  // The process ends without a word where there is no timer to be had.
  if (timer_create(kLimitedCpuClock, &event, &cpu_timer_) != 0) return;
  has_cpu_timer_ = true;
  itimerspec end = {};
  end.it_value.tv_sec = static_cast<time_t>(limit.rlim_max - 1);
  end.it_value.tv_nsec = 1'000'000'000 - kBefore;
  (void)timer_settime(cpu_timer_, TIMER_ABSTIME, &end, nullptr);  // fails for invalid numbers only
}

JobSignals::~JobSignals() {
  is_watched = false;
  watch_.reset();
  if (has_cpu_timer_) (void)timer_delete(cpu_timer_);
  for (const int signal : kCancelling) {
    struct sigaction current = {};
    if (sigaction(signal, nullptr, &current) == 0 && current.sa_handler == OnCancel) {
      Install(signal, SIG_DFL, 0);
    }
  }
  Install(SIGUSR1, SIG_DFL, 0);
  // qemu-img does without the signal altogether. A write that is too long stays one that fails.
  if (!ActsAsQemuImg()) Install(SIGPIPE, SIG_DFL, 0);
  cancellation_of_job = nullptr;
}

int JobSignals::caught() const { return caught_signal; }

int JobSignals::Fail(const absl::Status& why) const {
  const int status = ReportError(manner_.command, why, manner_.format);
  if (caught() != 0) return kExitSignalBase + caught();
  return status == kExitFailure ? manner_.failed : status;
}

int JobSignals::Arrived() {
  if (caught_signal != 0) return caught_signal;
  if (cancellation_of_job == nullptr) return 0;  // signals do what they always do
  sigset_t pending;
  if (sigpending(&pending) != 0) return 0;
  for (const int signal : kCancelling) {
    if (sigismember(&pending, signal) == 1 && sigismember(&blocked_signals, signal) == 0) {
      return signal;
    }
  }
  return 0;
}

int JobSignals::Fatal() { return fatal_signal; }

bool JobSignals::Cancels(int signal) {
  return std::find(std::begin(kCancelling), std::end(kCancelling), signal) != std::end(kCancelling);
}

void JobSignals::DieOf(int signal) {
  Install(signal, SIG_DFL, 0);
  sigset_t just_that;
  sigemptyset(&just_that);
  sigaddset(&just_that, signal);
  (void)pthread_sigmask(SIG_UNBLOCK, &just_that, nullptr);
  (void)raise(signal);
  _exit(kExitSignalBase + signal);
}

void FailWritesToBrokenPipes() { Install(SIGPIPE, OnFailedWrite, SA_RESTART); }

std::optional<uint64_t> UsedUpCpuSeconds() {
  // Without a limit it came of RLIMIT_RTTIME, or from somebody.
  if (caught_signal != SIGXCPU || cpu_seconds == RLIM_INFINITY) return std::nullopt;
  return cpu_seconds;
}

bool JobSignals::TakeProgressRequest() { return progress_requested.exchange(false); }

}  // namespace hotcell::cli
