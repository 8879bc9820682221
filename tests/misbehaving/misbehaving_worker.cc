// A worker that confines itself as the real one does, by the same code, and then misbehaves.
#include "tests/misbehaving/misbehaving_worker.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "vmm-worker/confinement/confinement.h"
#include "vmm-worker/confinement/limits.h"
#include "vmm-worker/frames.h"

namespace hotcell::tests {
namespace {

constexpr uint64_t kX32Bit = 0x40000000;

[[noreturn]] void Exit(int status) {
  while (true) syscall(SYS_exit_group, status);
}

class Worker {
 public:
  void Run() {
    const v1::ToWorker setup = Receive();
    const auto behaviour =
        static_cast<Misbehaviour>(setup.setup().memory_size() / abi::kPageSize % 1024);
    Confine(behaviour);
    if (behaviour == Misbehaviour::kViolatesInSetup) MakeSocket();
    if (behaviour == Misbehaviour::kFails) Fail();
    if (worker::LowerRunLimits(/*cpu_seconds=*/0, {RLIM_INFINITY, RLIM_INFINITY}).error != 0 ||
        !worker::InstallRunFilter(setup.setup().vcpus(), policy::RunExtra::kNothing)) {
      Exit(3);
    }
    v1::FromWorker ready;
    worker::ReportSetupLayers(*ready.mutable_ready());
    channel_.Write(ready);
    Receive();  // Start
    Misbehave(behaviour);
    Exit(0);
  }

 private:
  void Confine(Misbehaviour behaviour) {
    v1::FromWorker message;
    v1::Confined& confined = *message.mutable_confined();
    worker::ApplyLayers(confined);
    v1::LayerResult& seccomp = *confined.add_layers();
    seccomp.set_layer(v1::LAYER_SECCOMP);
    seccomp.set_state(worker::InstallSetupFilter() ? v1::LAYER_STATE_ACHIEVED
                                                   : v1::LAYER_STATE_FAILED);
    const v1::Layer lacking = behaviour == Misbehaviour::kLacksSeccomp    ? v1::LAYER_SECCOMP
                              : behaviour == Misbehaviour::kLacksLandlock ? v1::LAYER_LANDLOCK
                                                                          : v1::LAYER_UNSPECIFIED;
    for (v1::LayerResult& result : *confined.mutable_layers()) {
      if (result.layer() != lacking) continue;
      result.set_state(v1::LAYER_STATE_UNAVAILABLE);
      result.set_error(ENOSYS);
    }
    channel_.Write(message);
  }

  v1::ToWorker Receive() {
    const worker::Result<const v1::ToWorker*> message = channel_.Read();
    if (!message.ok() || *message == nullptr) Exit(2);
    return **message;
  }

  void Fail() {
    v1::FromWorker message;
    message.mutable_failure()->set_step(v1::STEP_KVM_CREATE_VM);
    message.mutable_failure()->set_error(EBUSY);
    channel_.Write(message);
    Exit(1);
  }

  void Finish(v1::EndReason reason) {
    v1::FromWorker message;
    v1::Finished& finished = *message.mutable_finished();
    finished.set_reason(reason);
    finished.mutable_fault()->set_vector(14);
    finished.mutable_registers()->set_rip(0x200010);
    channel_.Write(message);
  }

  static void MakeSocket() { (void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0); }

  void Misbehave(Misbehaviour behaviour) {
    v1::FromWorker ready;
    switch (behaviour) {
      case Misbehaviour::kViolatesRunning:
        return MakeSocket();
      case Misbehaviour::kViolatesAsI386: {
        long number = 20;  // getpid
        asm volatile("int $0x80" : "+a"(number)::"memory");
        return;
      }
      case Misbehaviour::kViolatesAsX32:
        syscall(SYS_getpid | kX32Bit);
        return;
      case Misbehaviour::kCrashes:
        asm volatile("mov 0, %%eax" ::: "eax");
        return;
      case Misbehaviour::kExits:
      case Misbehaviour::kLacksLandlock:
        Exit(42);
      case Misbehaviour::kRepeatsReady:
        ready.mutable_ready();
        channel_.Write(ready);
        return Receive(), void();
      case Misbehaviour::kHangs:
        while (true) asm volatile("pause");
      case Misbehaviour::kStops:
        return Finish(v1::END_REASON_STOPPED);
      case Misbehaviour::kFaults:
        return Finish(v1::END_REASON_GUEST_FAULT);
      default:
        return Finish(v1::END_REASON_EXITED);
    }
  }

  worker::FrameChannel channel_{abi::kFdControlIn, abi::kFdControlOut};
};

}  // namespace
}  // namespace hotcell::tests

int main() {
  hotcell::worker::ReserveHeap(1 << 20);
  hotcell::tests::Worker().Run();
}
