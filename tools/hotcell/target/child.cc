#include "tools/hotcell/target/child.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>

#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/options/common_options.h"

namespace hotcell::cli {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

// While it lives, signals wait until they are taken.
class HeldSignals {
 public:
  HeldSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGCHLD);
    for (const int signal : kForwarded) {
      struct sigaction current = {};
      // What is ignored, as by nohup(1), asks for nothing.
      if (sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) continue;
      sigaddset(&set_, signal);
    }
    (void)pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~HeldSignals() { Release(); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  void Release() const { (void)pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  // Waits for the next.
  int Take() const {
    int signal = 0;
    while (sigwait(&set_, &signal) != 0) continue;
    return signal;
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(kExitFailure);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

absl::StatusOr<std::string> ReadAll(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, "cannot read a job's result");
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
  if (got != info.st_size) return absl::ErrnoToStatus(errno, "cannot read a job's result");
  return bytes;
}

[[noreturn]] void BeChild(pid_t parent, int fd,
                          const std::function<int(std::string& result)>& work) {
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);  // fails for invalid numbers only
  if (getppid() != parent) _exit(kExitFailure);
  std::string result;
  const int status = work(result);
  WriteAll(fd, result);
  ReapWorkers();
  _exit(status);
}

// Waits for the child's end. It gets the signals that come until then.
ChildEnd WaitFor(pid_t child, const HeldSignals& signals) {
  ChildEnd end;
  while (true) {
    const int signal = signals.Take();
    if (signal != SIGCHLD) {
      (void)kill(child, signal);  // it is there until it is waited for
      if (signal != SIGUSR1) end.signal = signal;
      continue;
    }
    int status = 0;
    if (waitpid(child, &status, WNOHANG) != child) continue;  // another's
    end.status = WIFSIGNALED(status) ? kExitSignalBase + WTERMSIG(status) : WEXITSTATUS(status);
    return end;
  }
}

}  // namespace

absl::StatusOr<ChildEnd> RunInChild(const std::function<int(std::string& result)>& work) {
  // A file, not a pipe: what has the child's descriptors may outlive it (see Watch), and keep that
  // open.
  const File result(memfd_create("hotcell-result", MFD_CLOEXEC), {});
  if (result.fd() < 0) return absl::ErrnoToStatus(errno, "cannot make a place for a job's result");
  Flush();  // or the child would have it, too
  const pid_t self = getpid();
  const HeldSignals signals;
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "cannot start a process for a job");
  if (child == 0) {
    signals.Release();
    BeChild(self, result.fd(), work);
  }
  ChildEnd end = WaitFor(child, signals);
  if (end.status >= kExitSignalBase) return end;
  absl::StatusOr<std::string> bytes = ReadAll(result.fd());
  if (!bytes.ok()) return bytes.status();
  end.result = *std::move(bytes);
  return end;
}

}  // namespace hotcell::cli
