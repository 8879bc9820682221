#include "tools/hotcell/common/remedies.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "hotcell/failure.h"
#include "tools/hotcell/common/error.h"

namespace hotcell::cli {
namespace {

TEST(RemediesTest, NameTheOption) {
  const absl::Status status =
      WithRemedy(absl::ResourceExhaustedError("too big"), Remedy::kRaiseVirtualSize);
  EXPECT_EQ(RemedyText(status), "--limit virtual-size=SIZE");
  EXPECT_EQ(MessageWithRemedy(status), "too big (--limit virtual-size=SIZE)");
}

TEST(RemediesTest, StandBehindTheFact) {
  const absl::Status status =
      Reworded(WithRemedy(absl::DeadlineExceededError("too late"), Remedy::kRaiseWallTime),
               "too late; the guest was at 0x33");
  EXPECT_EQ(MessageWithRemedy(status), "too late (--timeout SECONDS); the guest was at 0x33");
}

absl::Status NotOpened(Remedy remedy, const std::string& name) {
  return WithRemedy(absl::PermissionDeniedError("not opened: by default"),
                    RemedyNote{.remedy = remedy,
                               .subject = name,
                               .place = sizeof("not opened") - 1,
                               .replaced = sizeof(": by default") - 1});
}

TEST(RemediesTest, StandForTheClauseThatSaysTheSame) {
  const absl::Status status = NotOpened(Remedy::kAllowReference, "/etc/passwd");
  EXPECT_EQ(MessageWithRemedy(status),
            "not opened: files named by images are opened only with "
            "--backing '/etc/passwd=FILE' or --follow-references=DIR");
  EXPECT_EQ(RemedyText(status), "--backing '/etc/passwd=FILE' or --follow-references=DIR");
}

TEST(RemediesTest, NameAnOptionThatCanBePasted) {
  EXPECT_EQ(RemedyText(NotOpened(Remedy::kMapReference, "a=b\n\\c'd")),
            "--backing 'a\\x3db\\n\\\\c\\x27d=FILE' allows it");
  EXPECT_EQ(RemedyText(NotOpened(Remedy::kMapReference, "\x1b]0;$0\x07")),
            "--backing '\\x1b]0;$0\\x07=FILE' allows it");
  EXPECT_EQ(RemedyText(NotOpened(Remedy::kMapReference, std::string(1024, 'a'))),
            "--backing allows it");
}

TEST(RemediesTest, AreNothingWhereNothingIsKnown) {
  EXPECT_EQ(RemedyText(absl::InternalError("x")), "");
  EXPECT_EQ(MessageWithRemedy(absl::InternalError("x\n")), "x\\n");
}

TEST(RemediesTest, StayWithinTheMessage) {
  const absl::Status status = WithRemedy(
      absl::InternalError("short"),
      RemedyNote{
          .remedy = Remedy::kRaiseMemory, .subject = {}, .place = 100, .replaced = SIZE_MAX});
  EXPECT_EQ(MessageWithRemedy(status), "short; raise --memory");
}

TEST(RemediesTest, AreAllWorded) {
  // The last one is told as qemu-img only, whose line invocation.h has.
  ASSERT_EQ(kLastRemedy, Remedy::kSeeUsage);
  for (int i = 1; i < static_cast<int>(kLastRemedy); ++i) {
    EXPECT_NE(RemedyText(WithRemedy(absl::InternalError("x"), static_cast<Remedy>(i))), "") << i;
  }
}

TEST(RemediesTest, AreInTheErrorsOfTheCommandAsBefore) {
  const absl::Status status = WithRemedy(
      WithRemedy(absl::ResourceExhaustedError("RLIMIT_CPU is 2 s"), Remedy::kRaiseCpuLimit),
      "or wait");
  EXPECT_EQ(ErrorLine("info", status),
            "hotcell: info: RLIMIT_CPU is 2 s (ulimit -t, prlimit --cpu); or wait\n");
  EXPECT_EQ(ErrorJson(status),
            "{\n    \"error\": {\n        \"code\": \"limit\",\n"
            "        \"kind\": \"limit\",\n"
            "        \"message\": \"RLIMIT_CPU is 2 s\",\n"
            "        \"remedy\": \"ulimit -t, prlimit --cpu; or wait\"\n    }\n}");
}

}  // namespace
}  // namespace hotcell::cli
