#include "tools/hotcell/common/inherited.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "tools/hotcell/common/invocation.h"

namespace hotcell::cli {
namespace {

constexpr rlim_t kUsualOpenFiles = 1024;
constexpr size_t kStack = 1 << 20;

// What is printed to a standard output that is not there is lost, which qemu-img does not mind.
// Under our own name the write has to fail.
int ModeOf(int standard) {
  return standard == STDOUT_FILENO && !ActsAsQemuImg() ? O_RDONLY : O_RDWR;
}

bool OpenStandardDescriptors() {
  for (int standard = 0; standard <= STDERR_FILENO; ++standard) {
    if (fcntl(standard, F_GETFD) >= 0) continue;
    // The lowest descriptor that is free is this one.
    if (open("/dev/null", ModeOf(standard) | O_NOCTTY) < 0) return false;
  }
  return true;
}

void SetHandler(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  (void)sigaction(signal, &action, nullptr);  // fails for invalid numbers only
}

void RaiseOpenFiles() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= kUsualOpenFiles) return;
  files.rlim_cur = std::min(files.rlim_max, kUsualOpenFiles);
  (void)setrlimit(RLIMIT_NOFILE, &files);  // without it, what is missing is told
}

struct Call {
  int (*main)(int, char**);
  int argc;
  char** argv;
  int status;
};

void* Run(void* argument) {
  Call& call = *static_cast<Call*>(argument);
  call.status = call.main(call.argc, call.argv);
  return nullptr;
}

}  // namespace

bool AdaptToInherited() {
  if (!OpenStandardDescriptors()) return false;
  SetHandler(SIGCHLD, SIG_DFL, 0);
  // A handler, not SIG_IGN, which programs that this one starts would inherit.
  SetHandler(
      SIGXFSZ, [](int) {}, SA_RESTART);
  // What qemu-img prints to somebody who is gone is no error of qemu-img's.
  if (ActsAsQemuImg()) {
    SetHandler(
        SIGPIPE, [](int) {}, SA_RESTART);
  }
  RaiseOpenFiles();
  return true;
}

int CallWithStack(int (*main)(int, char**), int argc, char** argv) {
  rlimit stack;
  if (getrlimit(RLIMIT_STACK, &stack) != 0 || stack.rlim_cur >= kStack) return main(argc, argv);
  Call call = {main, argc, argv, 0};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, Run, &call) != 0) return main(argc, argv);
  pthread_join(thread, nullptr);
  return call.status;
}

}  // namespace hotcell::cli
