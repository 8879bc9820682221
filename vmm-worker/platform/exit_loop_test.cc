#include "vmm-worker/platform/exit_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "guest/abi/abi.h"
#include "vmm-worker/boot/boot_payload.h"
#include "vmm-worker/platform/payload_platform.h"

namespace hotcell::worker {
namespace {

using ::testing::HasSubstr;

// Answers nothing, and remembers what it was asked.
class EmptyPlatform : public Platform {
 public:
  Action OnPort(uint32_t /*vcpu*/, const kvm_regs& /*regs*/, const PortAccess& access) override {
    port = access;
    return Action::Unexpected();
  }
  Action OnMmio(const MmioAccess& access) override {
    mmio = access;
    return Action::Unexpected();
  }
  Action OnHalt() override { return Action::Unexpected(); }
  void Finish(v1::Finished& /*finished*/) override {}

  PortAccess port;
  MmioAccess mmio;
};

class ExitLoopTest : public ::testing::Test {
 protected:
  Action DispatchExit(uint32_t reason) {
    run_.exit_reason = reason;
    return Dispatch(run_, io_data_, 0, platform_, counts_);
  }

  void ExpectEnd(const Action& action, v1::EndReason reason, const std::string& words) {
    EXPECT_EQ(action.kind, Action::Kind::kEnd);
    EXPECT_EQ(action.end.reason, reason);
    EXPECT_THAT(action.end.detail, HasSubstr(words));
  }

  kvm_run run_{};
  std::array<std::byte, 8> io_data_{};
  EmptyPlatform platform_;
  ExitCounts counts_;
};

TEST_F(ExitLoopTest, UnexpectedPortIsDescribed) {
  run_.io.direction = KVM_EXIT_IO_OUT;
  run_.io.port = 0x1f0;
  run_.io.size = 2;
  run_.io.count = 4;
  io_data_[0] = std::byte{0x34};
  io_data_[1] = std::byte{0x12};
  const Action action = DispatchExit(KVM_EXIT_IO);
  ExpectEnd(action, v1::END_REASON_UNEXPECTED_EXIT, "2-byte out to port 0x1f0");
  EXPECT_THAT(action.end.detail, HasSubstr("0x1234"));
  EXPECT_EQ(action.end.address, 0x1f0u);
  EXPECT_EQ(action.end.access_size, 2u);
  EXPECT_TRUE(action.end.is_write);
  EXPECT_EQ(platform_.port.count, 4u);
  EXPECT_EQ(counts_.port_io, 1u);
}

TEST_F(ExitLoopTest, WaitsAreCountedApart) {
  run_.io.port = abi::kPortWait;
  DispatchExit(KVM_EXIT_IO);
  EXPECT_EQ(counts_.waits, 1u);
  EXPECT_EQ(counts_.port_io, 0u);
}

TEST_F(ExitLoopTest, UnexpectedMemoryIsDescribed) {
  run_.mmio.phys_addr = 0xdead000;
  run_.mmio.len = 4;
  run_.mmio.is_write = 0;
  const Action action = DispatchExit(KVM_EXIT_MMIO);
  ExpectEnd(action, v1::END_REASON_UNEXPECTED_EXIT, "4-byte read of guest-physical address");
  EXPECT_EQ(action.end.address, 0xdead000u);
  EXPECT_FALSE(action.end.is_write);
  EXPECT_EQ(counts_.mmio, 1u);
}

TEST_F(ExitLoopTest, MemoryAccessOfImpossibleSizeReachesNoDevice) {
  run_.mmio.len = 9;
  ExpectEnd(DispatchExit(KVM_EXIT_MMIO), v1::END_REASON_UNEXPECTED_EXIT, "impossible size");
  EXPECT_EQ(platform_.mmio.data.size(), 0u);
}

TEST_F(ExitLoopTest, ALowerTaskPriorityChangesNothing) {
  EXPECT_EQ(DispatchExit(KVM_EXIT_SET_TPR).kind, Action::Kind::kResume);
}

TEST_F(ExitLoopTest, EveryOtherExitEndsTheJob) {
  ExpectEnd(DispatchExit(KVM_EXIT_HLT), v1::END_REASON_UNEXPECTED_EXIT, "HLT");
  ExpectEnd(DispatchExit(KVM_EXIT_SHUTDOWN), v1::END_REASON_UNEXPECTED_EXIT, "triple fault");
  run_.fail_entry.hardware_entry_failure_reason = 0x80000021;
  ExpectEnd(DispatchExit(KVM_EXIT_FAIL_ENTRY), v1::END_REASON_KVM_ERROR, "0x80000021");
  run_.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
  ExpectEnd(DispatchExit(KVM_EXIT_INTERNAL_ERROR), v1::END_REASON_KVM_ERROR, "emulate");
  run_.internal.suberror = 77;
  ExpectEnd(DispatchExit(KVM_EXIT_INTERNAL_ERROR), v1::END_REASON_KVM_ERROR, "77");
  run_.msr.index = 0xc0000080;
  ExpectEnd(DispatchExit(KVM_EXIT_X86_RDMSR), v1::END_REASON_UNEXPECTED_EXIT, "RDMSR");
  ExpectEnd(DispatchExit(KVM_EXIT_X86_WRMSR), v1::END_REASON_UNEXPECTED_EXIT, "0xc0000080");
  for (const uint32_t reason : {KVM_EXIT_UNKNOWN, KVM_EXIT_HYPERCALL, KVM_EXIT_DEBUG, KVM_EXIT_NMI,
                                KVM_EXIT_SYSTEM_EVENT, 9999}) {
    const Action action = DispatchExit(reason);
    ExpectEnd(action, v1::END_REASON_UNEXPECTED_EXIT, "KVM exit " + std::to_string(reason));
    EXPECT_EQ(action.end.kvm_exit_reason, reason);
  }
}

TEST_F(ExitLoopTest, InterruptedRunGoesOn) {
  EXPECT_EQ(DispatchExit(KVM_EXIT_INTR).kind, Action::Kind::kResume);
  EXPECT_EQ(counts_.interrupted, 1u);
}

TEST_F(ExitLoopTest, FaultReportShowsTheFaultingInstruction) {
  kvm_regs regs{};
  regs.rip = 0x3000;
  regs.rax = 11;
  kvm_sregs sregs{};
  sregs.cs.selector = 0x10;
  sregs.cr2 = 0x1234;
  const FaultFrame frame{.rdx = 5,
                         .vector = 14,
                         .error_code = 6,
                         .rip = 0x200123,
                         .cs = 0x33,
                         .rflags = 2,
                         .rsp = 0x7000,
                         .ss = 0x2b};
  v1::Finished finished;
  Describe({.reason = v1::END_REASON_GUEST_FAULT, .fault = frame}, 3, regs, sregs, finished);
  EXPECT_EQ(finished.vcpu(), 3u);
  EXPECT_EQ(finished.fault().vector(), 14u);
  EXPECT_EQ(finished.fault().error_code(), 6u);
  EXPECT_EQ(finished.registers().rip(), 0x200123u);
  EXPECT_EQ(finished.registers().rsp(), 0x7000u);
  EXPECT_EQ(finished.registers().rdx(), 5u);
  EXPECT_EQ(finished.registers().rax(), 11u);
  EXPECT_EQ(finished.registers().cs(), 0x33u);
  EXPECT_EQ(finished.registers().cr2(), 0x1234u);
}

// ---- A payload's crash port ---------------------------------------------------------------------

TEST(PayloadPlatformTest, CrashFrameOutsideTheFaultStackIsNotBelieved) {
  Result<GuestMemory> memory = GuestMemory::Create(4 << 20);
  ASSERT_TRUE(memory.ok());
  const PayloadBoot boot(4 << 20, 2, 0);
  PayloadPlatform platform(boot, *memory, -1, -1);
  std::array<std::byte, 1> data{};
  const PortAccess access{
      .port = abi::kPortCrash, .is_write = true, .size = 1, .count = 1, .data = data};
  // The fault stack of vCPU 1 is the page at 0x13000; that of vCPU 0 the one at 0x11000.
  kvm_regs regs{};
  regs.rsp = 0x14000 - sizeof(FaultFrame);
  EXPECT_EQ(platform.OnPort(1, regs, access).kind, Action::Kind::kEnd);
  for (const uint64_t rsp :
       {uint64_t{0}, uint64_t{0x200000}, uint64_t{0x14000},
        uint64_t{0x14000 - sizeof(FaultFrame) + 8}, uint64_t{0x11000}, ~uint64_t{0}}) {
    regs.rsp = rsp;
    EXPECT_EQ(platform.OnPort(1, regs, access).kind, Action::Kind::kUnexpected) << rsp;
  }
}

}  // namespace
}  // namespace hotcell::worker
