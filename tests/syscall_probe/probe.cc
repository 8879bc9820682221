#include "tests/syscall_probe/probe.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "tests/support/i386_entry.h"
#include "vmm-worker/confinement/confinement.h"
#include "vmm-worker/confinement/gate.h"
#include "vmm-worker/confinement/limits.h"

namespace hotcell::tests {
namespace {

struct Handover {
  worker::Gate started;
  worker::Gate asked;
  worker::Gate answered;
  worker::Gate never;
};

// Started before a filter forbids it, used after. Never ends: that takes calls of its own.
void* Answer(void* argument) {
  Handover& handover = *static_cast<Handover*>(argument);
  handover.started.Add();
  handover.asked.WaitFor(1);
  handover.answered.Add();
  for (;;) handover.never.WaitFor(1);
}

// A thread's start takes calls of its own as well, and so must be over before the run stage.
int StartThread(Handover& handover) {
  // Its own: glibc would change the protection of one that it maps, which set-up does not allow.
  alignas(4096) static char stack[256 << 10];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, sizeof(stack));
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, Answer, &handover);
  if (error == 0) handover.started.WaitFor(1);
  return error;
}

void Ask(Handover& handover) {
  handover.asked.Add();
  handover.answered.WaitFor(1);
}

volatile sig_atomic_t signals_handled = 0;
void OnSignal(int /*signal*/) { signals_handled = 1; }

// What the probe needs later, as long as it may ask.
struct Self {
  pid_t process = getpid();
  pid_t thread = gettid();
  rlimit cpu_limit = worker::InheritedCpuLimit();
};

Self PrepareForSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGUSR1, &action, nullptr);
  return {};
}

// The kernel restores all registers from the frame that it put on the stack before the handler: so
// a call of rt_sigreturn is made by a signal, or it is a jump to nowhere.
int64_t ReturnFromSignal(const Self& self) {
  signals_handled = 0;
  if (syscall(SYS_tgkill, self.process, self.thread, SIGUSR1) != 0) return -1;
  return signals_handled;
}

int64_t MakeSystemCall(const ProbeRequest& request, ProbeReply& reply) {
  long arguments[6];
  std::memcpy(reply.scratch, request.scratch, kScratchSize);
  for (int i = 0; i < 6; ++i) {
    arguments[i] = (request.in_scratch & 1u << i) != 0
                       ? reinterpret_cast<long>(reply.scratch + request.arguments[i])
                       : request.arguments[i];
  }
  return syscall(request.number, arguments[0], arguments[1], arguments[2], arguments[3],
                 arguments[4], arguments[5]);
}

bool LockDown(const ProbeRequest& request, const Self& self) {
  const worker::LimitFailure failure =
      worker::LowerRunLimits(static_cast<uint32_t>(request.arguments[2]), self.cpu_limit);
  if (failure.error != 0) {
    errno = failure.error;
    return false;
  }
  return worker::InstallRunFilter(static_cast<uint32_t>(request.arguments[0]),
                                  static_cast<policy::RunExtra>(request.arguments[1]));
}

int64_t Serve(const ProbeRequest& request, ProbeReply& reply, int argc, char** argv,
              const Self& self, Handover& handover) {
  switch (request.kind) {
    case ProbeRequestKind::kSystemCall:
      return MakeSystemCall(request, reply);
    case ProbeRequestKind::kApplyLayers: {
      v1::Confined report;
      worker::ApplyLayers(report);
      if (!report.SerializeToArray(reply.scratch, kScratchSize)) return -1;
      return static_cast<int64_t>(report.ByteSizeLong());
    }
    case ProbeRequestKind::kInstallSetupFilter:
      return worker::InstallSetupFilter() ? 1 : 0;
    case ProbeRequestKind::kInstallRunFilter:
      return LockDown(request, self) ? 1 : 0;
    case ProbeRequestKind::kStartThread:
      return StartThread(handover);
    case ProbeRequestKind::kDescribeStart: {
      int64_t variables = 0;
      while (environ[variables] != nullptr) ++variables;
      std::strncpy(reply.scratch, argv[0], kScratchSize - 1);
      return int64_t{argc} * 1000 + variables;
    }
    case ProbeRequestKind::kBlockOnLock:
      Ask(handover);
      return 0;
    case ProbeRequestKind::kReturnFromSignal:
      return ReturnFromSignal(self);
    case ProbeRequestKind::kInterrupt80:
      return Interrupt80(request.number);
  }
  return -1;
}

int Run(int argc, char** argv) {
  Handover handover;
  const Self self = PrepareForSignals();
  ProbeRequest request;
  for (;;) {
    const ssize_t size = read(abi::kFdControlIn, &request, sizeof(request));
    if (size == 0) return 0;
    if (size != sizeof(request)) return 1;
    ProbeReply reply;
    errno = 0;
    reply.result = Serve(request, reply, argc, argv, self, handover);
    reply.error = reply.result == -1 ? errno : 0;
    if (write(abi::kFdControlOut, &reply, sizeof(reply)) != sizeof(reply)) return 2;
  }
}

}  // namespace
}  // namespace hotcell::tests

int main(int argc, char** argv) { _exit(hotcell::tests::Run(argc, argv)); }
