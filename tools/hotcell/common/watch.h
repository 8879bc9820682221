// What ends a command when a job of its own does not.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_WATCH_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_WATCH_H_

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/exit_codes.h"

namespace hotcell::cli {

// How a command tells its errors.
struct ErrorManner {
  std::string_view command;
  OutputFormat format = OutputFormat::kHuman;
  int failed = kExitFailure;  // exit status of errors that have none of their own
  // What the Watch says. Empty: of the limit of time.
  std::string_view late = "";
  std::string_view held_up = "a file or the standard output does not answer";
};

// The engine ends a job for its limits of time and for signals, but has to wait for calls that it
// made: into a file system that does not answer, or into a pipe that nobody reads. While a Watch
// lives, a thread of its own looks after the command: 2 s after it has seen that the time is up
// (see JobTime), or that a signal that cancels came, it says so and ends the process, whatever its
// other threads wait for. The worker is killed, and files that are not complete are gone. A second
// signal ends the process at once in the same way, and without a word.
//
// The file system may keep even a process that was killed: a FUSE server that has taken a request
// other than to read and does not answer does.
class Watch {
 public:
  // Without a thread, where there is none to be had, it does nothing.
  explicit Watch(const ErrorManner& manner);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  bool running() const { return running_; }

 private:
  static void* ThreadMain(void* watch);
  void Run();
  // Ends the process if it is held up.
  void EndIfHeldUp();
  // `signal`: 0 for the time.
  [[noreturn]] void End(const absl::Status& reason, int signal) const;

  const ErrorManner manner_;
  bool running_ = false;
  pthread_t thread_{};
  // The thread's: the signal that came, and for how many looks it or the end of the time has been
  // there. Of a process that was stopped meanwhile, a clock would tell nothing.
  int signal_ = 0;
  int looks_after_signal_ = 0;
  int looks_after_time_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable stopped_;
  bool stop_ = false;
};

// Has the Watch there is expect that what is done while this lives takes no longer than a job may.
// One at a time.
class JobTime {
 public:
  explicit JobTime(absl::Duration wall_time);
  ~JobTime();
  JobTime(const JobTime&) = delete;
  JobTime& operator=(const JobTime&) = delete;

  // Whatever has taken its time until now, the next job has all of its own.
  void Restart() const;

 private:
  const absl::Duration wall_time_;
};

// What the last JobTime allowed; infinite: there was none.
absl::Duration LastWallTime();

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_WATCH_H_
