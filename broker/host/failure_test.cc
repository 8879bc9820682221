#include "hotcell/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/kvm.h>

#include <cerrno>
#include <cstdint>
#include <set>

#include "broker/host/posix_error.h"
#include "broker/host/violation_mark.h"

namespace hotcell {
namespace {

using testing::HasSubstr;

Violation Socket() {
  Violation violation;
  violation.syscall = 41;
  violation.arch = AUDIT_ARCH_X86_64;
  violation.phase = Phase::kRun;
  violation.arguments = {2, 1, 0, 0, 0, 255};
  violation.instruction_pointer = 0x401234;
  return violation;
}

TEST(FailureKindTest, TheFirstMarkWins) {
  const absl::Status died = WithFailureKind(absl::InternalError("x"), FailureKind::kWorkerProtocol);
  EXPECT_EQ(FailureKindOf(WithFailureKind(died, FailureKind::kWorkerDied)),
            FailureKind::kWorkerProtocol);
  EXPECT_EQ(FailureKindOf(WithFailureKind(absl::OkStatus(), FailureKind::kKvm)),
            FailureKind::kNone);
}

TEST(NotOpenedTest, IsWhatTheMessageBeginsWith) {
  const absl::Status status =
      WithNotOpened(absl::NotFoundError("cannot open 'x': not there"), "'x'");
  EXPECT_EQ(NotOpened(status).value_or(""), "'x'");
  EXPECT_EQ(NotOpened(Reworded(status, "cannot open 'x': not there; look")).value_or(""), "'x'");
  EXPECT_FALSE(NotOpened(Reworded(status, "y: cannot open 'x': not there")).has_value());
  EXPECT_FALSE(NotOpened(absl::NotFoundError("cannot open 'x': not there")).has_value());
  EXPECT_FALSE(NotOpened(WithNotOpened(absl::OkStatus(), "'x'")).has_value());
}

TEST(FailureKindTest, OtherWordsKeepTheMarks) {
  const absl::Status status = broker::WithViolation(absl::InternalError("x"), Socket());
  const absl::Status reworded = Reworded(status, "y");
  EXPECT_EQ(reworded.message(), "y");
  EXPECT_EQ(reworded.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(FailureKindOf(reworded), FailureKind::kViolation);
  ASSERT_TRUE(ViolationOf(reworded).has_value());
  EXPECT_EQ(ViolationOf(reworded)->syscall, 41);
}

TEST(FailureKindTest, AnUnmarkedErrorIsWhatItsCodeSays) {
  EXPECT_EQ(FailureKindOf(absl::DeadlineExceededError("")), FailureKind::kDeadline);
  EXPECT_EQ(FailureKindOf(absl::CancelledError("")), FailureKind::kCancelled);
  EXPECT_EQ(FailureKindOf(absl::ResourceExhaustedError("")), FailureKind::kLimit);
  EXPECT_EQ(FailureKindOf(absl::InvalidArgumentError("")), FailureKind::kRequest);
  EXPECT_EQ(FailureKindOf(absl::InternalError("")), FailureKind::kOther);
  EXPECT_FALSE(ViolationOf(absl::InternalError("")).has_value());
}

TEST(FailureKindTest, ACallOfTheBrokersThatFailsIsTheHostsFailureWhateverTheErrno) {
  for (const int error : {EMFILE, ENOSPC, EINVAL, ETIMEDOUT, EIO}) {
    EXPECT_EQ(FailureKindOf(broker::PosixError(error, "open")), FailureKind::kHost) << error;
  }
}

TEST(FailureKindTest, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(FailureKind::kUnsafe); ++kind) {
    const auto each = static_cast<FailureKind>(kind);
    names.insert(FailureKindName(each));
    EXPECT_EQ(FailureKindOf(WithFailureKind(absl::UnknownError(""), each)), each) << kind;
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(FailureKind::kUnsafe) + 1);
}

TEST(FailureKindTest, TellsHowAGuestEnded) {
  const auto kind = [](EndReason reason, uint32_t exit_reason = 0) {
    GuestEnd end;
    end.reason = reason;
    end.kvm_exit_reason = exit_reason;
    return FailureKindOf(end);
  };
  EXPECT_EQ(kind(EndReason::kExited), FailureKind::kNone);
  EXPECT_EQ(kind(EndReason::kHalted), FailureKind::kNone);
  EXPECT_EQ(kind(EndReason::kGuestFault), FailureKind::kGuestFault);
  EXPECT_EQ(kind(EndReason::kUnexpectedExit, KVM_EXIT_SHUTDOWN), FailureKind::kGuestFault);
  EXPECT_EQ(kind(EndReason::kUnexpectedExit, KVM_EXIT_IO), FailureKind::kGuestContract);
  EXPECT_EQ(kind(EndReason::kKvmError), FailureKind::kKvm);
  EXPECT_EQ(kind(EndReason::kStopped), FailureKind::kWorkerProtocol);
}

TEST(DescribeViolationTest, TellsCallArgumentsPlaceAndPhase) {
  EXPECT_EQ(DescribeViolation(Socket()),
            "socket (41) with 0x2, 0x1, 0x0, 0x0, 0x0, 0xff at 0x401234 during the run of the "
            "guest");
  Violation violation = Socket();
  violation.phase = Phase::kSetup;
  EXPECT_THAT(DescribeViolation(violation), HasSubstr("during its set-up"));
}

TEST(DescribeViolationTest, ShowsSixArgumentsHoweverManyAWorkerSends) {
  Violation violation = Socket();
  violation.arguments.resize(100, 0xbad);
  EXPECT_EQ(DescribeViolation(violation), DescribeViolation(Socket()));
}

TEST(DescribeViolationTest, ANumberThatIsNoCallIsShownAsSuch) {
  Violation violation = Socket();
  for (const int number : {-5, 100000, INT32_MAX, INT32_MIN}) {
    violation.syscall = number;
    EXPECT_EQ(SyscallName(violation), "") << number;
    EXPECT_THAT(DescribeViolation(violation), HasSubstr("number " + std::to_string(number)));
  }
}

TEST(DescribeViolationTest, ACallThatTheKernelKilledForIsNotKnown) {
  Violation violation;
  violation.phase = Phase::kRun;
  EXPECT_EQ(SyscallName(violation), "");
  EXPECT_EQ(DescribeViolation(violation), "a call that is not known during the run of the guest");
  violation.syscall = 0;  // read(2)
  EXPECT_EQ(DescribeViolation(violation), "read (0) during the run of the guest");
}

TEST(DescribeViolationTest, NamesCallsOfOtherArchitectures) {
  Violation violation = Socket();
  violation.syscall = 0x40000000 | 41;
  EXPECT_THAT(DescribeViolation(violation), HasSubstr("socket (1073741865) of x32 with"));
  violation.syscall = 102;
  violation.arch = AUDIT_ARCH_I386;
  EXPECT_THAT(DescribeViolation(violation), HasSubstr("socketcall (102) of i386 with"));
  violation.arch = 0x1234;
  EXPECT_THAT(DescribeViolation(violation), HasSubstr("number 102 of architecture 0x1234 with"));
}

}  // namespace
}  // namespace hotcell
