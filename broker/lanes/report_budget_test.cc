#include "broker/lanes/report_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "protos/report.pb.h"

namespace hotcell::broker {
namespace {

constexpr uint64_t kReportBytes = 1 << 20;

absl::Status Check(const v1::Report& report, uint64_t report_bytes = kReportBytes) {
  return CheckReportParts(report.SerializeAsString(), report_bytes);
}

// Adds `count` parts of one kind to a report, for each kind there is. A field that is repeated or a
// message belongs here and in report_budget.cc.
using Fill = void (*)(v1::Report& report, int count);
void Times(int count, auto add) {
  for (int i = 0; i < count; ++i) add();
}
constexpr Fill kOthers[] = {
    [](v1::Report& r, int n) { Times(n, [&] { r.add_warnings(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.add_backing_chain(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_info()->add_references(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_info()->add_features(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_info()->add_contents(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_info()->add_other_formats(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_check()->add_findings(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_inspect()->add_other_formats(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_inspect()->add_signatures(); }); },
    [](v1::Report& r, int n) { Times(n, [&] { r.mutable_inspect()->add_concerns(); }); },
    [](v1::Report& r, int n) {
      Times(n, [&] { r.mutable_inspect()->mutable_check()->add_findings(); });
    },
    [](v1::Report& r, int n) {
      Times(n, [&] { r.mutable_inspect()->mutable_info()->add_references(); });
    },
    [](v1::Report& r, int n) {
      v1::ImageInfo& image = *r.add_backing_chain();
      Times(n, [&] { image.add_references(); });
    },
};

TEST(ReportBudgetTest, CountsAllThatTakesMemory) {
  for (size_t i = 0; i < std::size(kOthers); ++i) {
    v1::Report few;
    kOthers[i](few, 8000);
    EXPECT_TRUE(Check(few).ok()) << i << ": " << Check(few);
    v1::Report many;
    kOthers[i](many, 8193);
    const absl::Status status = Check(many);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << i;
    EXPECT_EQ(FailureKindOf(status), FailureKind::kLimit);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("`report-bytes` of 1048576"));
    EXPECT_EQ(RemedyOf(status).value_or(RemedyNote()).remedy, Remedy::kRaiseReportBytes);
  }
}

TEST(ReportBudgetTest, CountsKindsTogether) {
  v1::Report report;
  for (const Fill fill : {kOthers[0], kOthers[2], kOthers[3]}) fill(report, 3000);
  EXPECT_FALSE(Check(report).ok());
}

TEST(ReportBudgetTest, LeavesRoomForWhatQcow2MayHave) {
  v1::Report report;
  Times(65'536, [&] { report.mutable_info()->add_snapshots(); });
  EXPECT_TRUE(Check(report).ok()) << Check(report);
  v1::ImageInfo& image = *report.mutable_info();
  Times(65'536, [&] { *image.add_bitmaps()->add_flags() = "auto"; });
  EXPECT_TRUE(Check(report).ok()) << Check(report);
  Times(70'000, [&] { image.mutable_bitmaps(0)->add_flags(); });
  EXPECT_FALSE(Check(report).ok());
  image.clear_bitmaps();
  EXPECT_TRUE(Check(report).ok());
  report.mutable_info()->add_snapshots();
  EXPECT_FALSE(Check(report).ok());
}

// A chain of 16 VMDKs with 240 extents of six details and a few more.
TEST(ReportBudgetTest, LeavesRoomForTheDetailsOfAChain) {
  v1::Report report;
  Times(16, [&] {
    v1::ImageInfo& image = *report.add_backing_chain();
    Times(240 * 6 + 4, [&] { image.add_details(); });
  });
  EXPECT_TRUE(Check(report).ok()) << Check(report);
  Times(10'000, [&] { report.mutable_inspect()->mutable_info()->add_details(); });
  EXPECT_FALSE(Check(report).ok());
  EXPECT_TRUE(Check(report, 2 << 20).ok());
}

TEST(ReportBudgetTest, GrowsWithTheLimit) {
  v1::Report report;
  kOthers[0](report, 10'000);
  EXPECT_FALSE(Check(report).ok());
  EXPECT_TRUE(Check(report, 2 << 20).ok());
}

TEST(ReportBudgetTest, CountsThePartsOfAMessageThatComesAgain) {
  v1::Report report;
  report.mutable_inspect()->mutable_info()->add_features();
  std::string bytes;
  Times(9000, [&] { bytes += report.SerializeAsString(); });
  EXPECT_FALSE(CheckReportParts(bytes, kReportBytes).ok());
  report.mutable_inspect()->mutable_info()->clear_features();
  bytes.clear();
  Times(9000, [&] { bytes += report.SerializeAsString(); });
  EXPECT_TRUE(CheckReportParts(bytes, kReportBytes).ok());
}

TEST(ReportBudgetTest, TakesUnknownFieldsForNoParts) {
  std::string bytes;
  // Field 1000: a number, a group.
  Times(20'000, [&] { bytes += "\xc0\x3e\x01\xc3\x3e\xc4\x3e"; });
  EXPECT_TRUE(CheckReportParts(bytes, kReportBytes).ok());
}

TEST(ReportBudgetTest, SaysWhatIsNoMessage) {
  for (const std::string bytes : {"\xff\xff\xff", "\x1a\x7f", "\x1a\x02\x42\x05", "\xc3\x3e"}) {
    EXPECT_EQ(CheckReportParts(bytes, kReportBytes).code(), absl::StatusCode::kInternal);
  }
}

}  // namespace
}  // namespace hotcell::broker
