// Work in a process of its own.
#ifndef HOTCELL_TOOLS_HOTCELL_TARGET_CHILD_H_
#define HOTCELL_TOOLS_HOTCELL_TARGET_CHILD_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace hotcell::cli {

struct ChildEnd {
  int status = 0;      // the exit status; 128 and the signal's number for one that was killed
  int signal = 0;      // the one that asked the command to end meanwhile; 0: none
  std::string result;  // what the work left; empty for one that was killed
};

// Calls `work` in a child process, whose exit status is what it returns, and waits for the end of
// that: a file that does not answer can hold up the child (see Watch), and not the command. SIGINT,
// SIGTERM, SIGHUP and SIGUSR1 that this process gets go to the child, and the child ends with this
// process. Nothing is printed in the child but on stderr. To be called while the process has no
// other threads.
absl::StatusOr<ChildEnd> RunInChild(const std::function<int(std::string& result)>& work);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TARGET_CHILD_H_
