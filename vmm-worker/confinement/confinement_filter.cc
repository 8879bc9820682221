#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <span>

#include "guest/abi/abi.h"
#include "policy/filters.h"
#include "vmm-worker/confinement/confinement.h"

namespace hotcell::worker {
namespace {

static_assert((policy::kSetupRefusal & SECCOMP_RET_DATA) == v1::PHASE_SETUP);

constexpr size_t kArguments = 6;

// A FromWorker{violation} frame, built without the protobuf library: in a signal handler nothing
// may allocate or lock.
class ViolationFrame {
 public:
  ViolationFrame(const siginfo_t& info, const mcontext_t& registers) {
    bytes_[kBodyLengthAt - 1] = kLengthDelimited | v1::FromWorker::kViolationFieldNumber << 3;
    // A negative int32 is encoded as the 64-bit number of the same value.
    Put(v1::Violation::kSyscallFieldNumber, static_cast<uint64_t>(int64_t{info.si_syscall}));
    Put(v1::Violation::kArchFieldNumber, info.si_arch);
    // The filter's SECCOMP_RET_DATA, which says the phase, arrives in si_errno.
    Put(v1::Violation::kPhaseFieldNumber, static_cast<uint32_t>(info.si_errno));
    for (const int argument : {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9}) {
      Put(v1::Violation::kArgumentsFieldNumber, static_cast<uint64_t>(registers.gregs[argument]));
    }
    Put(v1::Violation::kInstructionPointerFieldNumber,
        reinterpret_cast<uintptr_t>(info.si_call_addr));
    bytes_[kBodyLengthAt] = static_cast<uint8_t>(size_ - kBodyLengthAt - 1);
    bytes_[0] = static_cast<uint8_t>(size_ - sizeof(uint32_t));  // little-endian, below 256
  }

  const uint8_t* data() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  static constexpr uint8_t kLengthDelimited = 2;
  static constexpr size_t kBodyLengthAt = 5;  // after the frame's length and the field's tag
  static constexpr size_t kMaxField = 11;     // a tag, and 64 bits by sevens
  static constexpr size_t kMaxBody = (4 + kArguments) * kMaxField;
  static_assert(kMaxBody < 0x80, "its length is one byte");

  void Put(int field, uint64_t value) {
    bytes_[size_++] = static_cast<uint8_t>(field << 3);  // varint
    for (; value >= 0x80; value >>= 7) bytes_[size_++] = static_cast<uint8_t>(value) | 0x80;
    bytes_[size_++] = static_cast<uint8_t>(value);
  }

  uint8_t bytes_[kBodyLengthAt + 1 + kMaxBody] = {};
  size_t size_ = kBodyLengthAt + 1;
};

void OnViolation(int, siginfo_t* info, void* context) {
  const ViolationFrame frame(*info, static_cast<const ucontext_t*>(context)->uc_mcontext);
  const ssize_t written = write(abi::kFdControlOut, frame.data(), frame.size());
  static_cast<void>(written);  // a broker that is gone does not miss it
  _exit(kViolationExitStatus);
}

bool Install(std::span<const sock_filter> filter, pid_t tgid, unsigned flags) {
  sock_filter bound[policy::kMaxFilterLength];
  policy::BindTgid(filter, static_cast<uint32_t>(tgid), bound);
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), bound};
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result > 0) errno = ESRCH;  // a thread that could not be brought under the filter
  return result == 0;
}

}  // namespace

bool InstallSetupFilter() {
  struct sigaction action = {};
  action.sa_sigaction = OnViolation;
  action.sa_flags = SA_SIGINFO;
  // Blocked, the signal would kill without a word.
  sigset_t violation;
  sigemptyset(&violation);
  sigaddset(&violation, SIGSYS);
  return sigaction(SIGSYS, &action, nullptr) == 0 &&
         sigprocmask(SIG_UNBLOCK, &violation, nullptr) == 0 &&
         Install(policy::SetupFilter(), getpid(), 0);
}

bool InstallRunFilter(uint32_t vcpus, policy::RunExtra extra) {
  const std::span<const sock_filter> filter = policy::RunFilter(vcpus, extra);
  if (filter.empty()) {
    errno = EINVAL;
    return false;
  }
  return Install(filter, getpid(), SECCOMP_FILTER_FLAG_TSYNC);
}

}  // namespace hotcell::worker
