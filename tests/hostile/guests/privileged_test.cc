// Instructions that belong to a kernel, a hypervisor or an enclave, ways into a kernel, and what
// CPUID tells.
#include <cpuid.h>

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

constexpr uint32_t kProtection = 13;
constexpr uint64_t kFlags = 2;  // the bit of RFLAGS that is always set
constexpr uint64_t kTrapFlag = 1 << 8;
constexpr uint64_t kIopl = 3 << 12;
constexpr uint64_t kNestedTask = 1 << 14;
constexpr uint64_t kResume = 1 << 16;
constexpr uint64_t kVirtual8086 = 1 << 17;
constexpr uint64_t kVirtualInterrupts = 3 << 19;
// Selectors: of the payload's GDT, and of Linux's, which a hypervisor without VMX or SVM runs on.
constexpr uint64_t kKernelCode = 0x10;
constexpr uint64_t kUserCode32 = 0x23;
constexpr uint64_t kUserData = 0x2b;
constexpr uint64_t kUserCode = 0x33;
constexpr uint64_t kTss = 0x40;

// Without the instruction, or where it is a hypervisor's to refuse, #UD; otherwise #GP.
const End kRefused = Fault("(6|13)");
// KVM-PVM, which has neither VMX nor SVM to help it, emulates what the host's processor refuses and
// may come to another exception. All of them are the guest's own, at CPL 3.
const End kAnyFault = Fault("(6|11|12|13|14)", "0x[0-9a-f]+");
const End kUndefinedAfterIt = Fault(6);
// The instruction may exist, and has no effect beyond the guest's own registers.
const End kHarmless = {absl::StatusCode::kInternal,
                       "^the guest exited with code 90$|^guest fault: .*\\(vector (6|13|14), "};

// Guests that have the name of their instruction.
std::vector<GuestCase> Instructions(std::initializer_list<const char*> names, const End& end) {
  std::vector<GuestCase> cases;
  for (const char* name : names) cases.push_back({name, {name}, end});
  return cases;
}

HOTCELL_HOSTILE_GUESTS(Kernel, Instructions({"cli", "sti", "hlt", "cli_hlt", "lgdt", "lidt", "lldt",
                                             "ltr", "lmsw", "clts", "invd", "wbinvd", "invlpg",
                                             "rdpmc", "xsetbv", "swapgs", "sysexit", "sysret"},
                                            Fault(kProtection)));
HOTCELL_HOSTILE_GUESTS(Registers, Instructions({"read_cr0", "read_cr2", "read_cr3", "read_cr4",
                                                "read_cr8", "write_cr0", "write_cr2", "write_cr3",
                                                "write_cr4", "write_cr8", "read_dr0", "read_dr6",
                                                "read_dr7", "write_dr0", "write_dr3", "write_dr7"},
                                               Fault(kProtection)));
HOTCELL_HOSTILE_GUESTS(Unknown,
                       Instructions({"monitor", "mwait", "invpcid", "rsm", "clac", "stac", "wrpkru",
                                     "senduipi", "xbegin_abort", "getsec", "encls", "enclu"},
                                    kRefused));
HOTCELL_HOSTILE_GUESTS(Hypervisor, Instructions({"vmlaunch", "vmxon", "vmread", "vmrun", "vmload",
                                                 "stgi", "skinit"},
                                                kRefused));
// KVM answers a hypercall from CPL 3 with an error in RAX.
HOTCELL_HOSTILE_GUESTS(Harmless,
                       Instructions({"vmcall", "vmmcall", "rdfsbase", "wrfsbase"}, kHarmless));
HOTCELL_HOSTILE_GUESTS(IntoKernel,
                       Instructions({"sysenter", "syscall", "syscall_without_stack"}, kAnyFault));

// EFER, STAR, LSTAR, FS_BASE, KERNEL_GS_BASE, TSC, APIC_BASE, x2APIC, FEATURE_CONTROL, MISC_ENABLE,
// MTRR, PAT, SPEC_CTRL, microcode, KVM's own, Hyper-V's, SVM's.
TEST_F(HostileGuestTest, ModelSpecificRegistersAreForbidden) {
  constexpr uint64_t kRegisters[] = {0xc0000080, 0xc0000081, 0xc0000082, 0xc0000100, 0xc0000102,
                                     0x10,       0x1b,       0x802,      0x3a,       0x1a0,
                                     0x200,      0x277,      0x48,       0x8b,       0x4b564d00,
                                     0x4b564d01, 0x4b564d02, 0x40000000, 0xc0010117};
  for (const uint64_t msr : kRegisters) {
    SCOPED_TRACE(msr);
    ExpectConvertEnds({"rdmsr", msr}, Fault(kProtection));
    ExpectConvertEnds({"wrmsr", msr, UINT64_MAX}, Fault(kProtection));
  }
}

const GuestCase kTransfers[] = {
    {"IretToKernel", {"iret", kKernelCode, kFlags}, Fault("13", "0x10")},
    {"IretToData", {"iret", kUserData, kFlags}, kAnyFault},
    {"IretTo32Bit", {"iret", kUserCode32, kFlags}, kAnyFault},
    {"IretToTss", {"iret", kTss, kFlags}, kAnyFault},
    {"IretToNull", {"iret", 0, kFlags}, Fault(kProtection)},
    {"IretWithTrapFlag", {"iret", kUserCode, kFlags | kTrapFlag}, Fault(1)},
    {"IretWithIopl", {"iret", kUserCode, kFlags | kIopl}, kUndefinedAfterIt},
    {"IretWithNestedTask", {"iret", kUserCode, kFlags | kNestedTask}, kUndefinedAfterIt},
    {"IretWithResume", {"iret", kUserCode, kFlags | kResume}, kUndefinedAfterIt},
    {"IretWithVirtual8086", {"iret", kUserCode, kFlags | kVirtual8086}, kUndefinedAfterIt},
    {"IretWithVirtualInterrupts",
     {"iret", kUserCode, kFlags | kVirtualInterrupts},
     kUndefinedAfterIt},
    {"FarReturnToKernel", {"far_return", kKernelCode}, Fault("13", "0x10")},
    {"FarReturnTo32Bit", {"far_return", kUserCode32}, kAnyFault},
    {"FarReturnToNull", {"far_return", 0}, Fault(kProtection)},
    {"FarJumpToKernel", {"far_jump", kKernelCode, 0x3000}, Fault("13", "0x10")},
    {"FarJumpTo32Bit", {"far_jump", kUserCode32, abi::kPayloadBase}, kAnyFault},
    {"FarJumpToTss", {"far_jump", kTss}, kAnyFault},
    {"FarCallToKernel", {"far_call", kKernelCode, 0x3000}, Fault("13", "0x10")},
    {"FarCallTo32Bit", {"far_call", kUserCode32, abi::kPayloadBase}, kAnyFault},
    {"FarCallToTss", {"far_call", kTss}, kAnyFault},
    {"PopfCannotRaisePrivilege", {"pop_all_flags"}, Told("iopl 0, vm 0, vif 0, vip 0")},
};
HOTCELL_HOSTILE_GUESTS(Transfers, kTransfers);

const GuestCase kStorms[] = {
    {"Cpuid", {"cpuid_storm", 5'000}, WentOn()},
    {"Rdtsc", {"rdtsc_storm", 1'000'000}, WentOn()},
    {"Rdrand", {"rdrand_storm", 10'000}, WentOn()},
};
HOTCELL_HOSTILE_GUESTS(Storms, kStorms);

// The tables' places are in the ABI; UMIP refuses them where there is such a thing.
TEST_F(HostileGuestTest, DescriptorTablesAreTheGuestsOwn) {
  ExpectConvertEnds(
      {"store_descriptor_tables"},
      {absl::StatusCode::kInternal, "gave up: gdt 0x1000, idt 0x2000$|\\(vector 13, error 0x0\\)"});
  ExpectConvertEnds({"store_machine_status"},
                    {absl::StatusCode::kInternal, "gave up: status 0x33$|\\(vector 13, error 0x0"});
}

struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
Leaf HostCpuid(uint32_t function) {
  Leaf leaf;
  __cpuid_count(function, 0, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
  return leaf;
}

// KVM-PVM cannot intercept CPUID at CPL 3: there the guest sees what every process of the host
// does, and no more.
TEST_F(HostileGuestTest, CpuidHidesTheHypervisorAndTheMachine) {
  const Leaf one = HostCpuid(1);
  const Leaf seven = HostCpuid(7);
  const auto bit = [](uint32_t word, int n) { return word >> n & 1; };
  const std::string processes = absl::StrFormat(
      "hypervisor %u, vmx %u, monitor %u, x2apic %u, apic %u, apic id [0-9]+, sgx %u, rtm %u, "
      "fsgsbase %u, pku %u, max 0x%x",
      bit(one.ecx, 31), bit(one.ecx, 5), bit(one.ecx, 3), bit(one.ecx, 21), bit(one.edx, 9),
      bit(seven.ebx, 2), bit(seven.ebx, 11), bit(seven.ebx, 0), bit(seven.ecx, 3),
      HostCpuid(0).eax);
  const std::string hidden =
      "hypervisor 0, vmx 0, monitor 0, x2apic 0, apic 0, apic id 0, sgx 0, rtm 0, fsgsbase 0, "
      "pku 0, max 0xd";
  ExpectConvertEnds({"cpuid_hidden"}, Told("(" + hidden + "|" + processes + ")"));
}

// The name of a hypervisor, of the processor, the topology, SGX's leaf, an empty range, the last.
TEST_F(HostileGuestTest, CpuidLeavesThatAreNotGivenAreEmptyOrAnyProcesss) {
  for (const uint32_t function :
       {0x40000000u, 0x40000001u, 0x80000002u, 0x12u, 0xc0000000u, 0xffffffffu}) {
    const Leaf leaf = HostCpuid(function);
    ExpectConvertEnds({"cpuid", function},
                      Told(absl::StrFormat("(0x0 0x0 0x0 0x0|0x%x 0x%x 0x%x 0x%x)", leaf.eax,
                                           leaf.ebx, leaf.ecx, leaf.edx)));
  }
}

}  // namespace
}  // namespace hotcell::hostile
