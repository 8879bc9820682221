#include "vmm-worker/kvm/kvm.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace hotcell::worker::kvm {
namespace {

constexpr int kApiVersion = 12;  // the only one since Linux 2.6.22
constexpr size_t kMaxCpuidEntries = 32;

// Intel processors without unrestricted guests need four pages of guest-physical memory for
// themselves. This place below 4 GiB is outside RAM (abi::kMaxGuestMemory) and the arena.
constexpr uint64_t kIdentityMapAddress = 0xfffbc000;
constexpr uint64_t kTssAddress = 0xfffbd000;

// linux/kvm.h declares kvm_cpuid2 with a flexible array that takes a byte in C++, which makes both
// its size and the request number wrong.
struct CpuidArgument {
  uint32_t nent;
  uint32_t padding;
  std::array<kvm_cpuid_entry2, kMaxCpuidEntries> entries;
};
constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, 8);
static_assert(offsetof(CpuidArgument, entries) == 8);

constexpr char kOldKernel[] = ", which Linux 4.18 and later have";

struct Capability {
  int number;
  int bits;  // that its value must have; 0: any value but 0
  const char* name;
  const char* remedy;
};
constexpr Capability kNeeded[] = {
    {KVM_CAP_USER_MEMORY, 0, "KVM_CAP_USER_MEMORY", kOldKernel},
    {KVM_CAP_SET_TSS_ADDR, 0, "KVM_CAP_SET_TSS_ADDR", kOldKernel},
    {KVM_CAP_IMMEDIATE_EXIT, 0, "KVM_CAP_IMMEDIATE_EXIT", kOldKernel},
    {KVM_CAP_IOEVENTFD, 0, "KVM_CAP_IOEVENTFD", kOldKernel},
    {KVM_CAP_XCRS, 0, "KVM_CAP_XCRS",
     ": the processor has no XSAVE (as Intel's Nehalem and Westmere), this is a virtual machine "
     "that "
     "was not given it, or the kernel was started with noxsave"},
    {KVM_CAP_SYNC_REGS, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS, "KVM_CAP_SYNC_REGS", kOldKernel},
};

// What a guest has no use for and would reach KVM by. A KVM that does not know one of them, or one
// of its bits, goes without.
struct Surplus {
  int capability;
  uint64_t bits;  // of the value that KVM_CHECK_EXTENSION gives
  v1::Step step;
};
constexpr Surplus kSurplus[] = {
    // What KVM does against the manuals for old guests' sake: it emulates the instruction of the
    // other vendor among VMCALL and VMMCALL and writes the right one over it, from CPL 3 too, and
    // it carries out MONITOR and MWAIT, which CPUID does not offer, as if they were NOPs.
    {KVM_CAP_DISABLE_QUIRKS2,
     KVM_X86_QUIRK_FIX_HYPERCALL_INSN | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS,
     v1::STEP_KVM_CAP_DISABLE_QUIRKS2},
    // The performance counters.
    {KVM_CAP_PMU_CAPABILITY, KVM_PMU_CAP_DISABLE, v1::STEP_KVM_CAP_PMU_CAPABILITY},
};
// What a vCPU has too much: hypercalls and paravirtual MSRs that CPUID does not offer, which is
// all.
constexpr Surplus kVcpuSurplus[] = {
    {KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1, v1::STEP_KVM_CAP_ENFORCE_PV_FEATURE_CPUID},
};

Status Drop(std::span<const Surplus> surplus, const System& system, int fd) {
  for (const Surplus& one : surplus) {
    const int known = ioctl(system.fd(), KVM_CHECK_EXTENSION, one.capability);
    if (known <= 0 || (static_cast<uint64_t>(known) & one.bits) == 0) continue;
    kvm_enable_cap argument{};
    argument.cap = static_cast<uint32_t>(one.capability);
    argument.args[0] = static_cast<uint64_t>(known) & one.bits;
    if (ioctl(fd, KVM_ENABLE_CAP, &argument) != 0) return ErrnoError(one.step);
  }
  return {};
}

}  // namespace

Result<System> System::Adopt(UniqueFd fd) {
  System system;
  system.fd_ = std::move(fd);
  system.api_version_ = ioctl(system.fd(), KVM_GET_API_VERSION, 0);
  if (system.api_version_ < 0) return ErrnoError(v1::STEP_KVM_GET_API_VERSION);
  if (system.api_version_ != kApiVersion) {
    return Error{v1::STEP_KVM_GET_API_VERSION, 0, "the API is not version 12"};
  }
  for (const Capability& capability : kNeeded) {
    const int value = ioctl(system.fd(), KVM_CHECK_EXTENSION, capability.number);
    if (value <= 0 || (value & capability.bits) != capability.bits) {
      return Error{v1::STEP_KVM_CHECK_EXTENSION, 0,
                   std::string("this KVM lacks ") + capability.name + capability.remedy};
    }
  }
  const int run_size = ioctl(system.fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < static_cast<int>(sizeof(kvm_run)))
    return ErrnoError(v1::STEP_KVM_GET_VCPU_MMAP_SIZE);
  system.run_size_ = run_size;
  return system;
}

Result<Vm> Vm::Create(const System& system, int fd) {
  const UniqueFd made(ioctl(system.fd(), KVM_CREATE_VM, 0));
  if (!made.valid()) return ErrnoError(v1::STEP_KVM_CREATE_VM);
  if (dup3(made.get(), fd, O_CLOEXEC) < 0) return ErrnoError(v1::STEP_DUP);
  Vm vm{UniqueFd(fd)};
  uint64_t identity_map = kIdentityMapAddress;
  if (ioctl(vm.fd_.get(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map) != 0) {
    return ErrnoError(v1::STEP_KVM_SET_IDENTITY_MAP_ADDR);
  }
  if (ioctl(vm.fd_.get(), KVM_SET_TSS_ADDR, kTssAddress) != 0) {
    return ErrnoError(v1::STEP_KVM_SET_TSS_ADDR);
  }
  return vm;
}

Status Vm::DenyMsrs() {
  kvm_enable_cap capability{};
  capability.cap = KVM_CAP_X86_USER_SPACE_MSR;
  capability.args[0] =
      KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER;
  if (ioctl(fd_.get(), KVM_ENABLE_CAP, &capability) != 0) {
    return ErrnoError(v1::STEP_KVM_CAP_X86_USER_SPACE_MSR);
  }
  // A filter that denies by default must have a range; this one allows nothing either.
  std::array<uint8_t, 8> nothing{};
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_DENY;
  filter.ranges[0].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
  filter.ranges[0].base = 0;
  filter.ranges[0].nmsrs = 1;
  filter.ranges[0].bitmap = nothing.data();
  if (ioctl(fd_.get(), KVM_X86_SET_MSR_FILTER, &filter) != 0) {
    return ErrnoError(v1::STEP_KVM_X86_SET_MSR_FILTER);
  }
  return {};
}

Status Vm::DropSurplus(const System& system) { return Drop(kSurplus, system, fd_.get()); }

Status Vm::SetMemory(uint32_t slot, uint64_t gpa, std::span<std::byte> memory, uint32_t flags) {
  kvm_userspace_memory_region region{};
  region.slot = slot;
  region.flags = flags;
  region.guest_phys_addr = gpa;
  region.memory_size = memory.size();
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory.data());
  if (ioctl(fd_.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) {
    return ErrnoError(v1::STEP_KVM_SET_USER_MEMORY_REGION);
  }
  return {};
}

Status Vm::AddIoEvent(uint16_t port, uint32_t value, int eventfd) {
  kvm_ioeventfd event{};
  event.datamatch = value;
  event.addr = port;
  event.len = sizeof(value);
  event.fd = eventfd;
  event.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO;
  if (ioctl(fd_.get(), KVM_IOEVENTFD, &event) != 0) return ErrnoError(v1::STEP_KVM_IOEVENTFD);
  return {};
}

Result<Vcpu> Vm::CreateVcpu(const System& system, uint32_t index, int fd) {
  UniqueFd made(ioctl(fd_.get(), KVM_CREATE_VCPU, index));
  if (!made.valid()) return ErrnoError(v1::STEP_KVM_CREATE_VCPU);
  if (dup3(made.get(), fd, O_CLOEXEC) < 0) return ErrnoError(v1::STEP_DUP);
  Result<Mapping> run = Mapping::OfFile(fd, system.run_size());
  if (!run.ok()) return Error{v1::STEP_MAP_KVM_RUN, run.error().error, {}};
  Vcpu vcpu(UniqueFd(fd), std::move(*run));
  if (Status status = Drop(kVcpuSurplus, system, fd); !status.ok()) return status.error();
  vcpu.run().kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
  return vcpu;
}

Status Vm::GetDirtyLog(uint32_t slot, std::span<uint64_t> bitmap) {
  kvm_dirty_log log{};
  log.slot = slot;
  log.dirty_bitmap = bitmap.data();
  if (ioctl(fd_.get(), KVM_GET_DIRTY_LOG, &log) != 0) return ErrnoError(v1::STEP_KVM_GET_DIRTY_LOG);
  return {};
}

Status Vcpu::SetCpuid(std::span<const CpuidEntry> entries) {
  CpuidArgument argument{};
  if (entries.size() > argument.entries.size()) return Error{v1::STEP_KVM_SET_CPUID2, E2BIG, {}};
  argument.nent = entries.size();
  std::transform(entries.begin(), entries.end(), argument.entries.begin(),
                 [](const CpuidEntry& entry) {
                   kvm_cpuid_entry2 out{};
                   out.function = entry.function;
                   out.index = entry.index;
                   out.flags = entry.index_matters ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
                   out.eax = entry.eax;
                   out.ebx = entry.ebx;
                   out.ecx = entry.ecx;
                   out.edx = entry.edx;
                   return out;
                 });
  if (ioctl(fd_.get(), kSetCpuid2, &argument) != 0) return ErrnoError(v1::STEP_KVM_SET_CPUID2);
  return {};
}

Status Vcpu::SetXcr0(uint64_t value) {
  kvm_xcrs xcrs{};
  xcrs.nr_xcrs = 1;
  xcrs.xcrs[0].value = value;
  if (ioctl(fd_.get(), KVM_SET_XCRS, &xcrs) != 0) return ErrnoError(v1::STEP_KVM_SET_XCRS);
  return {};
}

Result<kvm_sregs> Vcpu::GetSregs() {
  kvm_sregs sregs{};
  if (ioctl(fd_.get(), KVM_GET_SREGS, &sregs) != 0) return ErrnoError(v1::STEP_KVM_GET_SREGS);
  return sregs;
}

Status Vcpu::SetSregs(const kvm_sregs& sregs) {
  if (ioctl(fd_.get(), KVM_SET_SREGS, &sregs) != 0) return ErrnoError(v1::STEP_KVM_SET_SREGS);
  return {};
}

void Vcpu::SetRegs(const kvm_regs& regs) {
  run().s.regs.regs = regs;
  run().kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

Status Vcpu::Prepare() {
  run().immediate_exit = 1;
  const int error = Run();
  run().immediate_exit = 0;
  if (error != EINTR) return Error{v1::STEP_KVM_RUN, error, "the first run of a virtual machine"};
  return {};
}

int Vcpu::Run() { return ioctl(fd_.get(), KVM_RUN, 0) == 0 ? 0 : errno; }

void Vcpu::RequestExit() {
  std::atomic_ref<__u8>(run().immediate_exit).store(1, std::memory_order_relaxed);
}

kvm_run& Vcpu::run() const { return *reinterpret_cast<kvm_run*>(run_.bytes().data()); }

std::span<std::byte> Vcpu::io_data() const {
  const auto& io = run().io;
  const std::span<std::byte> page = run_.bytes();
  const uint64_t length = uint64_t{io.size} * io.count;
  if (io.data_offset > page.size() || length > page.size() - io.data_offset) return {};
  return page.subspan(io.data_offset, length);
}

}  // namespace hotcell::worker::kvm
