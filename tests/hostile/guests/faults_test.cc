// Every exception that code at CPL 3 can raise, and every software interrupt.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

constexpr uint32_t kDivide = 0;
constexpr uint32_t kDebug = 1;
constexpr uint32_t kBreakpoint = 3;
constexpr uint32_t kInvalidOpcode = 6;
constexpr uint32_t kStack = 12;
constexpr uint32_t kProtection = 13;
constexpr uint32_t kX87 = 16;
constexpr uint32_t kAlignment = 17;
constexpr uint32_t kSimd = 19;

const GuestCase kFaults[] = {
    {"DivideByZero", {"divide_by_zero"}, Fault(kDivide)},
    {"DivideOverflow", {"divide_overflow"}, Fault(kDivide)},
    {"Int1", {"int1"}, Fault(kDebug)},
    {"SingleStep", {"single_step"}, Fault(kDebug)},
    {"SingleStepAfterMovSs", {"single_step_after_mov_ss"}, Fault(kDebug)},
    {"Int3", {"int3"}, Fault(kBreakpoint)},
    {"Into", {"into"}, Fault(kInvalidOpcode)},
    {"Bound", {"bound"}, Fault(kInvalidOpcode)},
    {"Ud0", {"ud0"}, Fault(kInvalidOpcode)},
    {"Ud1", {"ud1"}, Fault(kInvalidOpcode)},
    {"Ud2", {"ud2"}, Fault(kInvalidOpcode)},
    {"PushEs", {"push_es"}, Fault(kInvalidOpcode)},
    {"LockOnRegister", {"lock_on_register"}, Fault(kInvalidOpcode)},
    {"InstructionOf16Bytes", {"longest_instruction"}, Fault(kProtection)},
    {"NonCanonicalByRbp", {"stack_segment"}, Fault(kStack)},
    {"PushToNonCanonical", {"push_to_non_canonical"}, Fault(kStack)},
    {"NonCanonical", {"non_canonical"}, Fault(kProtection)},
    {"UnalignedVector", {"unaligned_vector"}, Fault(kProtection)},
    {"X87Exception", {"x87_exception"}, Fault(kX87)},
    {"AlignmentCheck", {"alignment_check"}, Fault(kAlignment)},
    {"SimdException", {"simd_exception"}, Fault(kSimd)},
    {"FaultWithNullStack", {"ud2_without_stack", 0}, Fault(kInvalidOpcode)},
    {"FaultWithSupervisorStack", {"ud2_without_stack", 0x11000}, Fault(kInvalidOpcode)},
    {"FaultWithNonCanonicalStack", {"ud2_without_stack", 1ull << 63}, Fault(kInvalidOpcode)},
    {"FaultOnLastVcpu", {"last_vcpu_faults", 0, 0, 4}, Fault("6", "0x0", 3)},
    // Selectors: kernel data and code, a TSS, the TSS's second half, nothing, an LDT that is not.
    {"LoadsKernelDataIntoDs", {"load_ds", 0x18}, Fault("13", "0x18")},
    {"LoadsKernelCodeIntoDs", {"load_ds", 0x10}, Fault("13", "0x10")},
    {"LoadsTssIntoDs", {"load_ds", 0x43}, Fault("13", "0x40")},
    {"LoadsBeyondGdtIntoDs", {"load_ds", 0xfff8}, Fault("13", "0xfff8")},
    {"LoadsLdtIntoDs", {"load_ds", 0x7}, Fault("13", "0x4")},
    {"LoadsNullIntoSs", {"load_ss", 0}, Fault("13", "0x0")},
    {"LoadsKernelDataIntoSs", {"load_ss", 0x18}, Fault("13", "0x18")},
};
HOTCELL_HOSTILE_GUESTS(Faults, kFaults);

// The gates of vectors 0 to 31 but 3 are the processor's, and there are no others: #GP with the
// vector in its error code. KVM-PVM emulates the instruction instead, which it does not know for
// most vectors, and takes a few for no instruction at all.
TEST_F(HostileGuestTest, SoftwareInterruptsLeadNowhere) {
  for (uint32_t vector = 0; vector < 256; vector += vector < 32 ? 1 : 7) {
    SCOPED_TRACE(vector);
    ExpectConvertEnds(
        {"software_interrupt", vector},
        {absl::StatusCode::kInternal,
         absl::StrFormat(
             "\\(vector (13, error 0x%x|%u, error 0x0|6, error 0x0|13, error 0x0)\\) at "
             ".* on vCPU 0$|^the guest exited with code 90$",
             vector * 8 + 2, vector)});
  }
}

TEST_F(HostileGuestTest, TheBreakpointIsASoftwareInterruptToo) {
  ExpectConvertEnds({"software_interrupt", kBreakpoint}, Fault(kBreakpoint));
}

}  // namespace
}  // namespace hotcell::hostile
