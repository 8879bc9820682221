// What a guest leaves at its end, as the broker takes it in: reports, exit codes, last words,
// progress.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "hotcell/failure.h"
#include "protos/report.pb.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr char kTerminal[] = "\x1b[31mred\n\x07";
constexpr char kEscaped[] = "\\x1b[31mred\\n\\x07";
constexpr absl::StatusCode kInternal = absl::StatusCode::kInternal;
const End kNotWellFormed = {kInternal, "^the guest left no well-formed report$"};
const End kNoResult = {kInternal, "^the guest reports success and no result$"};

std::string Nested(int depth) {
  // Groups of field 1000, none of which is known.
  std::string opening;
  std::string closing;
  for (int i = 0; i < depth; ++i) {
    opening += "\xc3\x3e";
    closing += "\xc4\x3e";
  }
  return opening + closing;
}

class HostileReports : public HostileGuestTest {
 protected:
  AttackJob Leaves(const std::string& bytes) {
    SetScript(bytes);
    return {"report", bytes.size(), bytes.size()};
  }
  AttackJob Leaves(const v1::Report& report) { return Leaves(report.SerializeAsString()); }
  static v1::Report Success() {
    v1::Report report;
    report.mutable_convert()->set_virtual_size(4096);
    return report;
  }
  static v1::Report Failure(int code, const std::string& message) {
    v1::Report report;
    report.mutable_error()->set_code(static_cast<v1::ErrorCode>(code));
    report.mutable_error()->set_message(message);
    return report;
  }
};

TEST_F(HostileReports, OfSuccessAreNotBelievedWhereTheBrokerSawAWriteFail) {
  constexpr uint64_t kQuota = 1 << 20;
  options_.limits.output_bytes = kQuota;
  const std::string bytes = Success().SerializeAsString();
  SetScript(bytes);
  ExpectConvertEnds({"report_after_write_at", bytes.size(), kQuota},
                    {absl::StatusCode::kResourceExhausted, "`output-bytes` is 1048576"});
  EXPECT_TRUE(Convert({"report_after_write_at", bytes.size(), 0}).ok());
  options_.limits.bytes_written = abi::kPageSize - 1;
  ExpectConvertEnds({"report_after_write_at", bytes.size(), 0},
                    {absl::StatusCode::kResourceExhausted,
                     "writes more to 'output.raw' than its limit `bytes-written` of 4095 bytes"});
}

TEST_F(HostileReports, ThatAreNoProtobufAreErrors) {
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff"), std::string("{\"convert\":{}}"), std::string("\x12"),
        std::string("\x12\xff\xff\xff\xff\x0f"), std::string("\x12\x7f") + "short",
        std::string(1, '\0'), Nested(6), Nested(20000), std::string(40000, '\xc3')}) {
    ExpectConvertEnds(Leaves(bytes), kNotWellFormed);
  }
}

TEST_F(HostileReports, ThatFillTheirAreaAreErrors) {
  for (const uint64_t byte : {0x00, 0x0a, 0x12, 0xc3, 0xff}) {
    ExpectConvertEnds({"report_of_one_byte", 0, byte}, kNotWellFormed);
  }
}

TEST_F(HostileReports, ThatAreEmptyHaveNoResult) { ExpectConvertEnds(Leaves(""), kNoResult); }

TEST_F(HostileReports, ThatLieAboutTheirSizeAreErrors) {
  const std::string bytes = Success().SerializeAsString();
  SetScript(bytes);
  for (const uint64_t claimed :
       {uint64_t{1} << 20, uint64_t{1} << 32, UINT64_MAX, bytes.size() - 1, bytes.size() + 1}) {
    ExpectConvertEnds({"report", bytes.size(), claimed}, kNotWellFormed);
  }
}

TEST_F(HostileReports, OfChangingSizeAreReadOnce) {
  const std::string bytes = Success().SerializeAsString();
  SetScript(bytes);
  for (int i = 0; i < 5; ++i) {
    const auto reply = Convert({"report_of_changing_size", bytes.size(), 0, 2});
    const bool read = reply.ok() && reply->result.virtual_size == 4096;
    EXPECT_TRUE(read || reply.status().message() == "the guest left no well-formed report")
        << reply.status();
  }
}

TEST_F(HostileReports, OfAnotherJobHaveNoResult) {
  v1::Report info;
  info.mutable_info()->set_format("qcow2");
  ExpectConvertEnds(Leaves(info), kNoResult);
  v1::Report digest;
  digest.mutable_digest()->set_sha256(std::string(32, 'x'));
  ExpectConvertEnds(Leaves(digest), kNoResult);
  ExpectEnd(Info(Leaves(Success())).status(), kNoResult);
}

TEST_F(HostileReports, WithAbsurdNumbersAreToldAsTheyAre) {
  v1::Report report = Success();
  report.mutable_convert()->set_virtual_size(UINT64_MAX);
  report.mutable_convert()->set_bytes_written(UINT64_MAX);
  const auto reply = Convert(Leaves(report));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->result.virtual_size, UINT64_MAX);
  EXPECT_EQ(reply->worker.bytes_written, 0u) << "the broker counts itself";
}

TEST_F(HostileReports, WithAnErrorAndAResultAreErrors) {
  v1::Report report = Success();
  report.mutable_error()->set_code(v1::ERROR_CORRUPT_IMAGE);
  ExpectConvertEnds(Leaves(report), {absl::StatusCode::kDataLoss, "^the guest gives no reason$"});
}

TEST_F(HostileReports, OfUnknownErrorsAreInternalOnes) {
  for (const int code : {0, 9, 999, -1, INT32_MAX}) {
    ExpectConvertEnds(Leaves(Failure(code, "boo")), {kInternal, "^boo$"});
  }
}

TEST_F(HostileReports, AreShownEscaped) {
  const absl::Status status = Convert(Leaves(Failure(v1::ERROR_UNSUPPORTED, kTerminal))).status();
  EXPECT_EQ(status.message(), kEscaped);
  v1::Report report = Success();
  report.mutable_convert()->set_source_format(kTerminal);
  report.add_warnings(kTerminal);
  const auto reply = Convert(Leaves(report));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->result.source_format, kEscaped);
  ASSERT_THAT(reply->warnings, SizeIs(1));
  EXPECT_EQ(reply->warnings.front(), kEscaped);
}

TEST_F(HostileReports, AreShownCut) {
  const absl::Status status =
      Convert(Leaves(Failure(v1::ERROR_UNSUPPORTED, std::string(100'000, '\x1b')))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_LT(status.message().size(), 20'000u);
  EXPECT_THAT(std::string(status.message()), HasSubstr("... (100000 bytes)"));
  v1::Report report = Success();
  for (int i = 0; i < 5'000; ++i) report.add_warnings("w");
  const auto reply = Convert(Leaves(report));
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_THAT(reply->warnings, SizeIs(101));
  EXPECT_EQ(reply->warnings.back(), "and 4900 more");
}

TEST_F(HostileReports, OfTooManyPartsAreNotDecoded) {
  v1::Report report = Success();
  for (int i = 0; i < 10'000; ++i) report.add_warnings("w");
  ExpectConvertEnds(Leaves(report), {absl::StatusCode::kResourceExhausted,
                                     "more parts than the limit `report-bytes` of 1048576 bytes"});
}

TEST_F(HostileReports, WithDetailsThatHangNowhereAreErrors) {
  v1::Report report;
  v1::Detail& detail = *report.mutable_info()->add_details();
  detail.set_key("compat");
  detail.set_text(kTerminal);
  const auto reply = Info(Leaves(report));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(std::get<std::string>(FindDetail(reply->info, "compat")->value), kEscaped);
  detail.set_depth(1);
  ExpectEnd(Info(Leaves(report)).status(), kNotWellFormed);
  detail.set_depth(0);
  detail.set_key(kTerminal);
  ExpectEnd(Info(Leaves(report)).status(), kNotWellFormed);
}

TEST_F(HostileReports, AreNoLongerThanTheirLimitHoweverSmall) {
  options_.limits.report_bytes = 10;
  EXPECT_TRUE(Convert(Leaves(Success())).ok());
  v1::Report report;
  report.mutable_convert()->set_source_format("0123456789");
  const absl::Status status = Convert(Leaves(report)).status();
  ExpectEnd(status, {absl::StatusCode::kResourceExhausted, "the limit `report-bytes` of 10"});
  EXPECT_EQ(FailureKindOf(status), FailureKind::kLimit);
  ExpectConvertEnds(Leaves(Failure(v1::ERROR_CORRUPT_IMAGE, "what is wrong in words")),
                    {absl::StatusCode::kDataLoss, "^what is wrong in words$"});
}

TEST_F(HostileReports, OfFilesThatAreNotTheJobsAreErrors) {
  v1::Report report;
  report.mutable_info()->set_format("qcow2");
  for (const uint32_t slot : {1u, 511u, 512u, UINT32_MAX}) {
    report.clear_backing_chain();
    report.add_backing_chain()->set_slot(slot);
    ExpectEnd(Info(Leaves(report)).status(),
              {kInternal, "^the guest describes a file it does not have$"});
  }
}

TEST_F(HostileReports, OfMapRecordsThatAreNotThereAreErrors) {
  v1::Report report;
  report.mutable_map()->set_records(UINT64_MAX);
  const absl::Status status = Map(Leaves(report));
  EXPECT_EQ(status.code(), kInternal) << status;
}

TEST_F(HostileReports, CannotBlameThePolicyForWhatItDidNotRefuse) {
  ExpectConvertEnds(Leaves(Failure(v1::ERROR_REFERENCE_REFUSED, "open it, it is safe\x1b")),
                    {absl::StatusCode::kPermissionDenied, "^open it, it is safe\\\\x1b$"});
}

// The code decides, not what lies in the report.
TEST_F(HostileReports, OfSuccessDoNotHelpAGuestThatFailed) {
  const std::string bytes = Success().SerializeAsString();
  SetScript(bytes);
  for (const uint32_t code : {1u, 2u, 0x6fu, 0x72u, 0xffu, 0x100u, 0x80000000u, UINT32_MAX}) {
    ExpectConvertEnds({"report_and_exit", bytes.size(), code}, ExitedWith(code));
  }
}

TEST_F(HostileReports, AreNotNeededForAnyExitCode) {
  for (uint32_t code = 1; code < 0x70; code += 10) {
    ExpectConvertEnds({"exit_with", code}, ExitedWith(code));
  }
  ExpectConvertEnds({"exit_with", 0}, kNoResult);
}

TEST_F(HostileReports, OfSeveralVcpusAreThatOfOne) {
  for (int i = 0; i < 5; ++i) {
    ExpectConvertEnds({"all_exit", 7, 0, 4},
                      {kInternal, "^the guest exited with code (7|8|9|10)$"});
  }
}

class HostileLastWords : public HostileGuestTest {};

TEST_F(HostileLastWords, AreCutAndEscaped) {
  SetScript(std::string(abi::kPanicTextSize, '\x1b'));
  for (const uint64_t claimed : {uint64_t{abi::kPanicTextSize}, uint64_t{abi::kPanicTextSize + 1},
                                 uint64_t{INT32_MAX}, uint64_t{UINT32_MAX}}) {
    const absl::Status status = Convert({"last_words", claimed, abi::kExitPanic}).status();
    std::string escaped = "the guest gave up: ";
    for (uint32_t i = 0; i < abi::kPanicTextSize; ++i) escaped += "\\x1b";
    EXPECT_EQ(status.message(), escaped);
  }
}

TEST_F(HostileLastWords, OfMemoryNameTheLimit) {
  SetScript(kTerminal);
  ExpectConvertEnds({"last_words", sizeof(kTerminal) - 1, abi::kExitOutOfMemory},
                    {absl::StatusCode::kResourceExhausted, "^\\\\x1b\\[31mred\\\\n\\\\x07$",
                     Remedy::kRaiseMemory});
}

TEST_F(HostileLastWords, AreEmptyWhereThereAreNone) {
  ExpectConvertEnds({"last_words", 0, abi::kExitPanic}, Told(""));
}

TEST_F(HostileGuestTest, ProgressNeverExceedsItsTotal) {
  uint64_t calls = 0;
  options_.progress = [&](uint64_t done, uint64_t total) {
    ++calls;
    EXPECT_LE(done, total);
  };
  ExpectConvertEnds({"progress", UINT64_MAX, 5}, WentOn());
  ExpectConvertEnds({"progress", 5, 0}, WentOn());
  ExpectConvertEnds({"progress", UINT64_MAX, UINT64_MAX}, WentOn());
  EXPECT_GE(calls, 3u);
}

}  // namespace
}  // namespace hotcell::hostile
