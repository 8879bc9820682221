#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/attempts.h"

namespace hotcell::tests {
namespace {

// The VM's descriptor had the first free number, for as long as it was open.
constexpr int kFirstFree = abi::kFdArena + 1;

Chain Ask(int fd, uint64_t request, const Argument& argument) {
  return Chain().Call(SYS_ioctl, {fd, request, argument});
}

}  // namespace

std::vector<Attempt> KvmAttempts() {
  const Layer closed = Layer::kClosedFds;
  const Argument out = Space(512);
  return {
      // /dev/kvm and the VM are closed before the guest's first instruction.
      {"create_a_vm", Ask(abi::kFdKvm, KVM_CREATE_VM, 0), closed, {EBADF}},
      {"create_a_vm_on_a_vcpu", Ask(abi::kFdVcpu, KVM_CREATE_VM, 0), kTheKernel, {EINVAL, ENOTTY}},
      {"read_msrs_of_the_host", Ask(abi::kFdKvm, KVM_GET_MSRS, out), closed, {EBADF}},
      {"add_guest_memory", Ask(abi::kFdVm, KVM_SET_USER_MEMORY_REGION, out), closed, {EBADF}},
      {"add_guest_memory_on_the_first_free_descriptor",
       Ask(kFirstFree, KVM_SET_USER_MEMORY_REGION, out),
       closed,
       {EBADF}},
      {"add_guest_memory_on_a_vcpu",
       Ask(abi::kFdVcpu, KVM_SET_USER_MEMORY_REGION, out),
       kTheKernel,
       {EINVAL, ENOTTY}},
      {"create_a_vcpu", Ask(abi::kFdVm, KVM_CREATE_VCPU, 7), closed, {EBADF}},
      {"create_a_device", Ask(abi::kFdVm, KVM_CREATE_DEVICE, out), closed, {EBADF}},
      {"create_an_irqchip", Ask(abi::kFdVm, KVM_CREATE_IRQCHIP, 0), closed, {EBADF}},
      {"redirect_a_doorbell", Ask(abi::kFdVm, KVM_IOEVENTFD, out), closed, {EBADF}},
      {"read_the_dirty_log", Ask(abi::kFdVm, KVM_GET_DIRTY_LOG, out), closed, {EBADF}},
      {"get_segments_and_control_registers",
       Ask(abi::kFdVcpu, KVM_GET_SREGS, out),
       kOnlyTheFilter,
       {0}},
      {"set_segments_and_control_registers",
       Ask(abi::kFdVcpu, KVM_SET_SREGS, out),
       kOnlyTheFilter,
       {0, EINVAL}},
      {"set_registers", Ask(abi::kFdVcpu, KVM_SET_REGS, out), kOnlyTheFilter, {0}},
      {"set_msrs", Ask(abi::kFdVcpu, KVM_SET_MSRS, out), kOnlyTheFilter, {0, EINVAL}},
      {"set_cpuid", Ask(abi::kFdVcpu, 0x4008ae90, out), kOnlyTheFilter, {0, EINVAL}},
      {"set_xcrs", Ask(abi::kFdVcpu, KVM_SET_XCRS, out), kOnlyTheFilter, {0, EINVAL}},
      {"enable_a_capability", Ask(abi::kFdVcpu, KVM_ENABLE_CAP, out), kOnlyTheFilter, {EINVAL}},
      {"inject_an_interrupt", Ask(abi::kFdVcpu, KVM_INTERRUPT, out), kOnlyTheFilter, {0, ENXIO}},
      {"debug_the_guest", Ask(abi::kFdVcpu, KVM_SET_GUEST_DEBUG, out), kOnlyTheFilter, {0, EINVAL}},
      {"run_a_vcpu_that_is_not_its_own", Ask(abi::kFdVcpu + 1, KVM_RUN, 0), closed, {EBADF}},
      {"run_a_pipe", Ask(abi::kFdControlIn, KVM_RUN, 0), kTheKernel, {ENOTTY}},
      {"terminal_request", Ask(0, 0x5412, Bytes("x")), kTheKernel, {ENOTTY}},
      {"wait_for_another_lane",
       Chain().Call(SYS_read, {abi::kFdWake + 1, out, 8}),
       closed,
       {EBADF}},
      {"wake_a_lane",
       Chain().Call(SYS_write, {abi::kFdWake, Bytes("\1\0\0\0\0\0\0"), 8}),
       kOnlyTheFilter,
       {0}},
      {"ring_the_doorbell",
       Chain().Call(SYS_write, {abi::kFdDoorbell, Bytes("\1"), 8}),
       closed,
       {EBADF}},
  };
}

}  // namespace hotcell::tests
