#include "tools/hotcell/report/run_report.h"

#include <linux/kvm.h>

#include <string>

#include "gtest/gtest.h"
#include "hotcell/failure.h"

namespace hotcell::cli {
namespace {

v1::Finished Ended(v1::EndReason reason) {
  v1::Finished finished;
  finished.set_reason(reason);
  finished.mutable_registers()->set_rip(0x1009);
  return finished;
}

v1::Finished Unexpected(uint32_t exit_reason) {
  v1::Finished finished = Ended(v1::END_REASON_UNEXPECTED_EXIT);
  finished.set_kvm_exit_reason(exit_reason);
  finished.set_address(0x1234);
  finished.set_access_size(1);
  finished.set_is_write(true);
  return finished;
}

TEST(RunExitStatusTest, HandsOnTheGuestsCode) {
  v1::Finished finished = Ended(v1::END_REASON_EXITED);
  finished.set_exit_code(42);
  EXPECT_EQ(RunExitStatus(finished), 42);
  finished.set_exit_code(256);
  EXPECT_EQ(RunExitStatus(finished), 255);
  EXPECT_EQ(RunExitStatus(Ended(v1::END_REASON_HALTED)), 0);
}

TEST(RunExitStatusTest, TellsEveryOtherEndApart) {
  EXPECT_EQ(RunExitStatus(Ended(v1::END_REASON_LOAD_ERROR)), 120);
  EXPECT_EQ(RunExitStatus(Unexpected(KVM_EXIT_IO)), 121);
  EXPECT_EQ(RunExitStatus(Unexpected(KVM_EXIT_MMIO)), 122);
  EXPECT_EQ(RunExitStatus(Unexpected(KVM_EXIT_SHUTDOWN)), 123);
  EXPECT_EQ(RunExitStatus(Ended(v1::END_REASON_GUEST_FAULT)), 125);
  EXPECT_EQ(RunExitStatus(Ended(v1::END_REASON_KVM_ERROR)), 126);
  EXPECT_EQ(RunExitStatus(Ended(v1::END_REASON_UNSPECIFIED)), 127);
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
  v1::Finished finished = Unexpected(KVM_EXIT_IO);
  finished.set_detail("1-byte out to port 0x1234");
  EXPECT_EQ(DescribeEnd(finished), "1-byte out to port 0x1234 (vCPU 0, RIP 0x1009)");
}

TEST(DescribeEndTest, NamesTheException) {
  v1::Finished finished = Ended(v1::END_REASON_GUEST_FAULT);
  finished.mutable_fault()->set_vector(14);
  finished.mutable_fault()->set_error_code(6);
  finished.mutable_registers()->set_cr2(0x10);
  finished.set_detail("in Read\n");
  EXPECT_EQ(DescribeEnd(finished),
            "guest fault: #PF page fault, error code 0x6, address 0x10 (vCPU 0, RIP 0x1009): in "
            "Read\\n");
}

TEST(RegistersTextTest, ShowsAllOfThem) {
  v1::Registers registers;
  registers.set_rax(0xd2);
  registers.set_efer(0x500);
  registers.set_cs(8);
  const std::string text = RegistersText(registers);
  EXPECT_EQ(text.substr(0, text.find("  rbx")), "  rax 00000000000000d2");
  EXPECT_NE(text.find("efr 0000000000000500\n  cs 0008  ds 0000  es 0000  ss 0000\n"),
            std::string::npos)
      << text;
}

TEST(DirtyPagesTextTest, ShowsRangesAsAddresses) {
  v1::Finished finished;
  EXPECT_EQ(DirtyPagesText(finished), "  none\n");
  v1::PageRange* range = finished.add_dirty_pages();
  range->set_first(1);
  range->set_count(1);
  range = finished.add_dirty_pages();
  range->set_first(3);
  range->set_count(2);
  EXPECT_EQ(DirtyPagesText(finished), "  0x1000 to 0x1fff: 1 page\n  0x3000 to 0x4fff: 2 pages\n");
}

TEST(VgaTextTest, ShowsRowsWithoutTrailingBlanks) {
  EXPECT_EQ(VgaText("Hello"), "Hello\n");
  EXPECT_EQ(VgaText(std::string(80, ' ') + "x\x1b"), "\nx\\x1b\n");
  EXPECT_EQ(VgaText(""), "");
}

}  // namespace
}  // namespace hotcell::cli
