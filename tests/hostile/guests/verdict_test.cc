// Attacks on a conversion that waits for a verdict: guests that write before it, against it,
// without it, or hand over what is no report.
#include "hotcell/verdict.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "protos/report.pb.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

using abi::Opcode;
using abi::Submission;

constexpr char kOldBytes[] = "what the target was before";
// Where the report is in the script, behind its requests; bytes.
constexpr uint64_t kReportAt = 100 << 10;
static_assert(sizeof(Script) <= kReportAt);

Submission Request(Opcode opcode, uint32_t slot, uint64_t length = 0, uint64_t buffer = 0) {
  return {
      .opcode = static_cast<uint32_t>(opcode), .slot = slot, .length = length, .buffer = buffer};
}

class HostileVerdicts : public HostileGuestTest {
 protected:
  void SetUp() override {
    HostileGuestTest::SetUp();
    dir().Write("output.raw", kOldBytes);
    inspect_ = InspectFirst{.judge = [this](const InspectReply& reply) {
      judged_.push_back(reply.inspection.format);
      return verdict_;
    }};
  }

  // The guest makes these requests; kProceed among them hands over `report`.
  void SetGuest(std::vector<Submission> requests, const std::string& report = Report()) {
    Script script{.count = requests.size()};
    for (Submission& request : requests) {
      if (request.opcode != static_cast<uint32_t>(Opcode::kProceed)) continue;
      request.length = report.size();
      request.buffer = kInBuffers | kReportAt;
    }
    std::copy(requests.begin(), requests.end(), script.requests);
    std::string bytes(reinterpret_cast<const char*>(&script), sizeof(script));
    bytes.resize(kReportAt);
    SetScript(bytes + report);
  }
  static std::string Report() {
    v1::Report report;
    report.mutable_inspect()->set_format("raw");
    return report.SerializeAsString();
  }
  void ExpectUntouched(const End& end) {
    ExpectConvertEnds({"requests"}, end);
    EXPECT_EQ(dir().Read("output.raw"), kOldBytes);
  }

  absl::Status verdict_;
  std::vector<std::string> judged_;
};

const Submission kProceed = Request(Opcode::kProceed, kInputSlot);
const Submission kWrite = Request(Opcode::kWrite, kOutputSlot, 512, kInBuffers);

TEST_F(HostileVerdicts, WriteBeforeIsABreach) {
  const Submission early[] = {kWrite,
                              Request(Opcode::kWriteZeroes, kOutputSlot, 512),
                              Request(Opcode::kFlush, kOutputSlot),
                              Request(Opcode::kSetSize, kOutputSlot),
                              Request(Opcode::kCreateExtentFile, kOutputSlot),
                              Request(Opcode::kRead, kOutputSlot, 512, kInBuffers),
                              {.opcode = static_cast<uint32_t>(Opcode::kCopy),
                               .slot = kOutputSlot,
                               .length = 512,
                               .source_slot = kInputSlot}};
  for (const Submission& request : early) {
    SetGuest({request});
    ExpectUntouched(BrokeTheRings("opcode [0-9]+ for 'output.raw' before the image was found"));
  }
  EXPECT_TRUE(judged_.empty());
}

TEST_F(HostileVerdicts, ReferenceBeforeIsRefused) {
  references_.Map("canary", dir().File("canary"));
  Submission open = Request(Opcode::kOpenReference, kInputSlot, 6, kInBuffers);
  open.flags = static_cast<uint32_t>(abi::ReferenceKind::kBackingFile);
  SetGuest({open});
  ExpectUntouched(Told("status 4, result 0, result2 0"));
}

TEST_F(HostileVerdicts, WriteAfterARefusalIsNotDone) {
  verdict_ = absl::FailedPreconditionError("it is not safe");
  SetGuest({kProceed, kWrite});
  ExpectUntouched({absl::StatusCode::kFailedPrecondition, "^it is not safe$"});
  SetGuest({kProceed, kProceed, kWrite});
  ExpectUntouched({absl::StatusCode::kFailedPrecondition, "^it is not safe$"});
}

TEST_F(HostileVerdicts, SecondQuestionIsABreach) {
  SetGuest({kProceed, kProceed});
  ExpectConvertEnds({"requests"}, BrokeTheRings("nobody waits to judge"));
  EXPECT_EQ(judged_, std::vector<std::string>{"raw"});
}

TEST_F(HostileVerdicts, QuestionThatNobodyWaitsForIsABreach) {
  inspect_.reset();
  SetGuest({kProceed});
  ExpectConvertEnds({"requests"}, BrokeTheRings("nobody waits to judge"));
}

TEST_F(HostileVerdicts, MarkOfNoKindCountsAgainstTheImage) {
  inspect_->judge = [](const InspectReply& reply) {
    return VerdictStatus(Judge(reply, VerdictPolicy(), Limits()));
  };
  for (const int kind : {-1, static_cast<int>(v1::SignatureKind_MAX) + 1, INT32_MAX}) {
    v1::Report report;
    report.mutable_inspect()->set_format("raw");
    report.mutable_inspect()->mutable_info()->set_virtual_size(512);
    v1::Signature& signature = *report.mutable_inspect()->add_signatures();
    signature.set_kind(static_cast<v1::SignatureKind>(kind));
    signature.set_offset(5);
    SetGuest({kProceed, kWrite}, report.SerializeAsString());
    ExpectUntouched({absl::StatusCode::kFailedPrecondition,
                     "^the image is not safe: there is the mark of a kind of file that is not "
                     "known at offset 5$"});
  }
}

TEST_F(HostileVerdicts, WhatIsNoReportIsABreach) {
  for (const std::string& bytes : {std::string("\xff\xff\xff\xff"), std::string("\x6a\x7fshort")}) {
    SetGuest({kProceed, kWrite}, bytes);
    ExpectUntouched({absl::StatusCode::kInternal, "^the guest left no well-formed report$"});
  }
  v1::Report other;
  other.mutable_convert();
  SetGuest({kProceed, kWrite}, other.SerializeAsString());
  ExpectUntouched({absl::StatusCode::kInternal, "^the guest reports success and no result$"});
  EXPECT_TRUE(judged_.empty());
}

TEST_F(HostileVerdicts, SuccessWithoutAQuestionIsNone) {
  v1::Report report;
  report.mutable_convert()->set_virtual_size(4096);
  const std::string bytes = report.SerializeAsString();
  SetScript(bytes);
  ExpectConvertEnds({"report", bytes.size(), bytes.size()},
                    {absl::StatusCode::kInternal, "^the guest never said what it found out"});
  EXPECT_EQ(dir().Read("output.raw"), kOldBytes);
}

TEST_F(HostileVerdicts, WritesFollowTheVerdict) {
  SetGuest({kProceed, kWrite});
  ExpectConvertEnds({"requests"}, Told("status 0, result 512, result2 0"));
  EXPECT_EQ(dir().Read("output.raw").size(), 512u);
}

}  // namespace
}  // namespace hotcell::hostile
