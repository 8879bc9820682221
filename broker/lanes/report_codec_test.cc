#include "broker/lanes/report_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "broker/workers/arena.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

constexpr uint64_t kReportBytes = 1 << 20;

v1::Error Error(v1::ErrorCode code, const std::string& message) {
  v1::Error error;
  error.set_code(code);
  error.set_message(message);
  return error;
}

TEST(EncodeJobTest, RefusesWhatTheJobAreaCannotHold) {
  v1::Job job;
  job.set_lanes(1);
  EXPECT_TRUE(EncodeJob(job).ok());
  job.mutable_convert()->mutable_snapshot()->set_id(std::string(kJobCapacity, 'x'));
  EXPECT_EQ(EncodeJob(job).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DecodeReportTest, ReadsAReport) {
  v1::Report report;
  report.mutable_info()->set_virtual_size(5);
  const auto decoded = DecodeReport(report.SerializeAsString(), kReportBytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->info().virtual_size(), 5u);
}

TEST(DecodeReportTest, MakesTextsPrintable) {
  v1::Report report;
  report.mutable_info()->set_backing_format("\xff\x1b[2J");
  report.mutable_info()->set_backing_file("\xff");
  const auto decoded = DecodeReport(report.SerializePartialAsString(), kReportBytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->info().backing_format(), "\\xff\\x1b[2J");
  EXPECT_EQ(decoded->info().backing_file(), "\xff");
}

TEST(DecodeReportTest, RefusesAStringThatIsNotUtf8AndPrintsNothing) {
  testing::internal::CaptureStderr();
  const auto decoded = DecodeReport("\x1a\x03\x0a\x01\xff", kReportBytes);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(decoded.ok());
}

TEST(DecodeReportTest, RefusesGarbage) {
  EXPECT_FALSE(DecodeReport("\xff\xff\xff", kReportBytes).ok());
  EXPECT_FALSE(
      DecodeReport(std::string("\x0a\x7f", 2), kReportBytes).ok());  // longer than what is there
}

TEST(DecodeReportTest, RefusesDeepNesting) {
  std::string nested;
  // Unknown field 100 as a group within itself.
  for (int i = 0; i < 50; ++i) nested += "\xa3\x06";
  for (int i = 0; i < 50; ++i) nested += "\xa4\x06";
  EXPECT_FALSE(DecodeReport(nested, kReportBytes).ok());
}

TEST(DecodeReportTest, RandomBytesNeverDoHarm) {
  std::minstd_rand random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    DecodeReport(bytes, kReportBytes).IgnoreError();
  }
}

TEST(ReportedErrorTest, MapsEachCode) {
  const std::pair<v1::ErrorCode, absl::StatusCode> codes[] = {
      {v1::ERROR_CORRUPT_IMAGE, absl::StatusCode::kDataLoss},
      {v1::ERROR_UNSUPPORTED, absl::StatusCode::kUnimplemented},
      {v1::ERROR_INVALID_ARGUMENT, absl::StatusCode::kInvalidArgument},
      {v1::ERROR_LIMIT, absl::StatusCode::kResourceExhausted},
      {v1::ERROR_IO, absl::StatusCode::kUnavailable},
      {v1::ERROR_REFERENCE_REFUSED, absl::StatusCode::kPermissionDenied},
      {v1::ERROR_NOT_FOUND, absl::StatusCode::kNotFound},
      {v1::ERROR_OUT_OF_MEMORY, absl::StatusCode::kResourceExhausted},
      {v1::ERROR_UNSPECIFIED, absl::StatusCode::kInternal},
      {static_cast<v1::ErrorCode>(77), absl::StatusCode::kInternal}};
  for (const auto& [code, expected] : codes) {
    EXPECT_EQ(ReportedError(Error(code, "x"), absl::OkStatus()).code(), expected) << code;
  }
}

TEST(ReportedErrorTest, TellsWhoseFailureItIs) {
  const auto kind = [](v1::ErrorCode code, const absl::Status& recorded = absl::OkStatus()) {
    return FailureKindOf(ReportedError(Error(code, "x"), recorded));
  };
  EXPECT_EQ(kind(v1::ERROR_CORRUPT_IMAGE), FailureKind::kImage);
  EXPECT_EQ(kind(v1::ERROR_UNSUPPORTED), FailureKind::kImage);
  EXPECT_EQ(kind(v1::ERROR_LIMIT), FailureKind::kLimit);
  EXPECT_EQ(kind(v1::ERROR_REFERENCE_REFUSED), FailureKind::kReference);
  EXPECT_EQ(kind(static_cast<v1::ErrorCode>(99)), FailureKind::kGuestContract);
  // The broker's mark is older.
  const absl::Status full =
      WithFailureKind(absl::ResourceExhaustedError("no space"), FailureKind::kHost);
  EXPECT_EQ(kind(v1::ERROR_LIMIT, full), FailureKind::kHost);
}

TEST(ReportedErrorTest, HasTheRemedyThatTheGuestNames) {
  const auto remedy = [](int number) {
    v1::Error error = Error(v1::ERROR_LIMIT, "x");
    error.set_remedy(static_cast<v1::Remedy>(number));
    return RemedyOf(ReportedError(error, absl::OkStatus())).value_or(RemedyNote()).remedy;
  };
  EXPECT_EQ(remedy(v1::REMEDY_RAISE_VIRTUAL_SIZE), Remedy::kRaiseVirtualSize);
  EXPECT_EQ(remedy(v1::REMEDY_RAISE_CHAIN_DEPTH), Remedy::kRaiseChainDepth);
  EXPECT_EQ(remedy(v1::REMEDY_RAISE_REPORT_BYTES), Remedy::kRaiseReportBytes);
  EXPECT_EQ(remedy(v1::REMEDY_REMOVE_BITMAPS), Remedy::kRemoveBitmaps);
  EXPECT_EQ(remedy(v1::REMEDY_SEE_USAGE), Remedy::kSeeUsage);
  EXPECT_EQ(remedy(v1::REMEDY_MAKE_ANEW), Remedy::kMakeAnew);
  for (const int number : {0, 77, -1, INT32_MAX}) EXPECT_EQ(remedy(number), Remedy::kNone);
}

TEST(ReportedErrorTest, EscapesWhatTheImageSays) {
  const absl::Status status =
      ReportedError(Error(v1::ERROR_CORRUPT_IMAGE, "name \x1b[31m\n"), absl::OkStatus());
  EXPECT_EQ(status.message(), "name \\x1b[31m\\n");
  EXPECT_LT(ReportedError(Error(v1::ERROR_IO, std::string(1 << 20, '\n')), absl::OkStatus())
                .message()
                .size(),
            10000u);
}

TEST(ReportedErrorTest, ThePreferredCauseIsTheBrokersOwn) {
  const absl::Status recorded = absl::ResourceExhaustedError("cannot write 'out': No space left");
  for (const v1::ErrorCode code : {v1::ERROR_IO, v1::ERROR_REFERENCE_REFUSED}) {
    const absl::Status told = ReportedError(Error(code, "x"), recorded);
    EXPECT_EQ(told.code(), recorded.code());
    EXPECT_EQ(told.message(), recorded.message());
  }
  // An error that no request caused stands by itself.
  EXPECT_EQ(ReportedError(Error(v1::ERROR_CORRUPT_IMAGE, "bad"), recorded).message(), "bad");
}

TEST(ReportedWarningsTest, AreEscapedAndBounded) {
  v1::Report report;
  for (int i = 0; i < 150; ++i) report.add_warnings("a\x07");
  const std::vector<std::string> warnings = ReportedWarnings(report);
  ASSERT_EQ(warnings.size(), 101u);
  EXPECT_EQ(warnings[0], "a\\x07");
  EXPECT_EQ(warnings[100], "and 50 more");
}

}  // namespace
}  // namespace hotcell::broker
