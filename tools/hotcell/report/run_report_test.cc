#include "tools/hotcell/report/run_report.h"

#include <linux/kvm.h>

#include <string>

#include "gtest/gtest.h"
#include "hotcell/failure.h"

namespace hotcell::cli {
namespace {

GuestEnd Ended(EndReason reason) {
  GuestEnd end;
  end.reason = reason;
  end.registers.rip = 0x1009;
  return end;
}

GuestEnd Unexpected(uint32_t exit_reason) {
  GuestEnd end = Ended(EndReason::kUnexpectedExit);
  end.kvm_exit_reason = exit_reason;
  end.address = 0x1234;
  end.access_size = 1;
  end.is_write = true;
  return end;
}

TEST(RunExitStatusTest, HandsOnTheGuestsCode) {
  GuestEnd end = Ended(EndReason::kExited);
  end.exit_code = 42;
  EXPECT_EQ(RunExitStatus(end), 42);
  end.exit_code = 256;
  EXPECT_EQ(RunExitStatus(end), 255);
  EXPECT_EQ(RunExitStatus(Ended(EndReason::kHalted)), 0);
}

TEST(RunExitStatusTest, TellsEveryOtherEndApart) {
  EXPECT_EQ(RunExitStatus(Ended(EndReason::kLoadError)), 120);
  EXPECT_EQ(RunExitStatus(Unexpected(KVM_EXIT_IO)), 121);
  EXPECT_EQ(RunExitStatus(Unexpected(KVM_EXIT_MMIO)), 122);
  EXPECT_EQ(RunExitStatus(Unexpected(KVM_EXIT_SHUTDOWN)), 123);
  EXPECT_EQ(RunExitStatus(Ended(EndReason::kGuestFault)), 125);
  EXPECT_EQ(RunExitStatus(Ended(EndReason::kKvmError)), 126);
  EXPECT_EQ(RunExitStatus(Ended(EndReason::kUnknown)), 127);
  EXPECT_EQ(RunExitStatus(absl::DeadlineExceededError("")), 124);
  EXPECT_EQ(RunExitStatus(WithFailureKind(absl::InternalError(""), FailureKind::kViolation)), 119);
  EXPECT_EQ(RunExitStatus(WithFailureKind(absl::InternalError(""), FailureKind::kWorkerDied)), 127);
  EXPECT_EQ(RunExitStatus(absl::UnavailableError("")), 120);
}

TEST(DescribeEndTest, NamesPortAddressAndPlace) {
  EXPECT_EQ(DescribeEnd(Unexpected(KVM_EXIT_IO)),
            "unknown port: 1-byte write to port 0x1234 (vCPU 0, RIP 0x1009)");
  EXPECT_EQ(DescribeEnd(Unexpected(KVM_EXIT_MMIO)),
            "MMIO outside devices: 1-byte write to 0x1234 (vCPU 0, RIP 0x1009)");
}

TEST(DescribeEndTest, PrefersTheWorkersWords) {
  GuestEnd end = Unexpected(KVM_EXIT_IO);
  end.detail = "1-byte out to port 0x1234";
  EXPECT_EQ(DescribeEnd(end), "1-byte out to port 0x1234 (vCPU 0, RIP 0x1009)");
}

TEST(DescribeEndTest, NamesTheException) {
  GuestEnd end = Ended(EndReason::kGuestFault);
  end.fault = {.vector = 14, .error_code = 6};
  end.registers.cr2 = 0x10;
  end.detail = "in Read\n";
  EXPECT_EQ(DescribeEnd(end),
            "guest fault: #PF page fault, error code 0x6, address 0x10 (vCPU 0, RIP 0x1009): in "
            "Read\\n");
}

TEST(RegistersTextTest, ShowsAllOfThem) {
  Registers registers;
  registers.rax = 0xd2;
  registers.efer = 0x500;
  registers.cs = 8;
  const std::string text = RegistersText(registers);
  EXPECT_EQ(text.substr(0, text.find("  rbx")), "  rax 00000000000000d2");
  EXPECT_NE(text.find("efr 0000000000000500\n  cs 0008  ds 0000  es 0000  ss 0000\n"),
            std::string::npos)
      << text;
}

TEST(DirtyPagesTextTest, ShowsRangesAsAddresses) {
  GuestEnd end;
  EXPECT_EQ(DirtyPagesText(end), "  none\n");
  end.dirty_pages = {{.first = 1, .count = 1}, {.first = 3, .count = 2}};
  EXPECT_EQ(DirtyPagesText(end), "  0x1000 to 0x1fff: 1 page\n  0x3000 to 0x4fff: 2 pages\n");
}

TEST(VgaTextTest, ShowsRowsWithoutTrailingBlanks) {
  EXPECT_EQ(VgaText("Hello"), "Hello\n");
  EXPECT_EQ(VgaText(std::string(80, ' ') + "x\x1b"), "\nx\\x1b\n");
  EXPECT_EQ(VgaText(""), "");
}

}  // namespace
}  // namespace hotcell::cli
