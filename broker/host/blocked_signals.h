// Keeps the application's signals from the threads that the library starts.
#ifndef HOTCELL_BROKER_HOST_BLOCKED_SIGNALS_H_
#define HOTCELL_BROKER_HOST_BLOCKED_SIGNALS_H_

#include <pthread.h>

#include <csignal>

namespace hotcell::broker {

// While it lives, the calling thread takes no signals, and neither will the threads and processes
// that it starts: the application's signals are not for those.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_BLOCKED_SIGNALS_H_
