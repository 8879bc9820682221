// Signals during a job. Handlers have no argument but the number, so what they touch is static and
// lives in signals.cc alone.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_SIGNALS_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_SIGNALS_H_

#include <cstdint>
#include <ctime>
#include <optional>

#include "absl/status/status.h"
#include "tools/hotcell/common/watch.h"

namespace hotcell {
class Cancellation;
}

namespace hotcell::cli {

// While it lives, SIGINT, SIGTERM and SIGHUP cancel the job, SIGUSR1 asks for progress, and SIGPIPE
// and SIGXFSZ are no more than failed writes. SIGXCPU cancels it too, and comes before an inherited
// RLIMIT_CPU ends the process. A second one of a kind kills as usual, but for one that comes within
// half a second: timeout(1) sends each twice, to the process and to its group. A job that cannot be
// cancelled is the Watch's, as is whatever has to be tidied up before a signal may kill. One at a
// time.
class JobSignals {
 public:
  // `cancellation` must outlive this object.
  JobSignals(Cancellation& cancellation, const ErrorManner& manner);
  ~JobSignals();
  JobSignals(const JobSignals&) = delete;
  JobSignals& operator=(const JobSignals&) = delete;

  // The signal that cancelled the job; 0: none.
  int caught() const;
  // The signal that cancelled the job, or one that has come and waits for this process's main
  // thread to take it; 0: none. Call it on a thread that has blocked them.
  static int Arrived();
  // The signal that came a second time, and kills once all is tidied up; 0: none.
  static int Fatal();
  // Whether it is one of those that cancel.
  static bool Cancels(int signal);
  // Ends the process as that signal does.
  [[noreturn]] static void DieOf(int signal);
  // Reports why the job failed. Returns the exit status: that of the signal which cancelled it, or
  // the error's.
  int Fail(const absl::Status& why) const;
  // Whether progress was asked for since the last call.
  bool TakeProgressRequest();

 private:
  void WatchCpuLimit();

  const ErrorManner manner_;
  timer_t cpu_timer_{};
  bool has_cpu_timer_ = false;
  std::optional<Watch> watch_;  // while there are handlers
};

// From now on a write to a pipe that nobody reads fails, and does not end the process.
void FailWritesToBrokenPipes();

// The seconds of RLIMIT_CPU, if this process was told that they are used up.
std::optional<uint64_t> UsedUpCpuSeconds();

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_SIGNALS_H_
