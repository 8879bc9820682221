#include "tools/hotcell/signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>

#include "hotcell/engine.h"

namespace hotcell::cli {
namespace {

constexpr int kCancelling[] = {SIGINT, SIGTERM, SIGHUP};
constexpr int kFailedWrites[] = {SIGPIPE, SIGXFSZ};

std::atomic<Cancellation*> cancellation_of_job = nullptr;
std::atomic<int> caught_signal = 0;
std::atomic<bool> progress_requested = false;
static_assert(std::atomic<Cancellation*>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void OnCancel(int signal) {
  const int saved_errno = errno;
  caught_signal = signal;
  if (Cancellation* cancellation = cancellation_of_job) cancellation->Cancel();
  errno = saved_errno;
}

void OnProgress(int) { progress_requested = true; }

// A write that fails is told by its errno. Not SIG_IGN, which the worker would inherit.
void OnFailedWrite(int) {}

void Install(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  (void)sigaction(signal, &action, nullptr);  // fails for invalid numbers only
}

}  // namespace

JobSignals::JobSignals(Cancellation& cancellation) {
  cancellation_of_job = &cancellation;
  caught_signal = 0;
  progress_requested = false;
  for (const int signal : kCancelling) {
    // nohup's choice stands.
    struct sigaction current = {};
    if (sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) continue;
    Install(signal, OnCancel, SA_RESTART | static_cast<int>(SA_RESETHAND));
  }
  Install(SIGUSR1, OnProgress, SA_RESTART);
  for (const int signal : kFailedWrites) Install(signal, OnFailedWrite, SA_RESTART);
}

JobSignals::~JobSignals() {
  for (const int signal : kCancelling) {
    struct sigaction current = {};
    if (sigaction(signal, nullptr, &current) == 0 && current.sa_handler == OnCancel) {
      Install(signal, SIG_DFL, 0);
    }
  }
  Install(SIGUSR1, SIG_DFL, 0);
  for (const int signal : kFailedWrites) Install(signal, SIG_DFL, 0);
  cancellation_of_job = nullptr;
}

int JobSignals::caught() const { return caught_signal; }

bool JobSignals::TakeProgressRequest() { return progress_requested.exchange(false); }

}  // namespace hotcell::cli
