// Workers that contradict themselves or say absurd things, in messages that are well-formed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "guest/abi/abi.h"
#include "protos/report.pb.h"
#include "tests/hostile/scripted_worker/fixture.h"

namespace hotcell::hostile {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

v1::FromWorker Exited(uint32_t code) {
  v1::FromWorker message = Finished(v1::END_REASON_EXITED);
  message.mutable_finished()->set_exit_code(code);
  return message;
}

// A reason that the protocol does not have.
v1::FromWorker FinishedAs(int reason) { return Finished(static_cast<v1::EndReason>(reason)); }

v1::FromWorker Faulted(uint32_t vector) {
  v1::FromWorker message = Finished(v1::END_REASON_GUEST_FAULT);
  v1::Finished& finished = *message.mutable_finished();
  finished.mutable_fault()->set_vector(vector);
  finished.mutable_fault()->set_error_code(UINT64_MAX);
  finished.mutable_registers()->set_rip(UINT64_MAX);
  finished.mutable_registers()->set_cr2(UINT64_MAX);
  finished.set_vcpu(UINT32_MAX);
  return message;
}

std::string InfoReport() {
  v1::Report report;
  report.mutable_info()->set_format("raw");
  report.mutable_info()->set_virtual_size(512);
  return report.SerializeAsString();
}

std::string ErrorReport() {
  v1::Report report;
  report.mutable_error()->set_code(v1::ERROR_CORRUPT_IMAGE);
  report.mutable_error()->set_message("a \x1b[31mtable\x1b[0m is torn");
  return report.SerializeAsString();
}

// Leaves a report in the arena, and says that it has `size` bytes.
Script Report(const std::string& report, uint64_t size) {
  return Script()
      .Store(Place::kReport, 0, report)
      .Store(Place::kStatus, offsetof(abi::GuestStatus, report_size), Script::Bytes(size));
}
Script Report(const std::string& report) { return Report(report, report.size()); }

// ---- How the guest ended, against what it left --------------------------------------------------

struct EndCase {
  std::string name;
  Script script;
  std::string error;
  absl::StatusCode code = kInternal;
};
void PrintTo(const EndCase& end, std::ostream* out) { *out << end.name; }

std::vector<EndCase> EndCases() {
  v1::Report converted;
  converted.mutable_convert();
  v1::Report both;
  both.ParseFromString(InfoReport());
  both.mutable_error()->set_message("but");
  constexpr char kNoReport[] = "the guest left no well-formed report";
  constexpr char kNoResult[] = "the guest reports success and no result";
  const std::string success = Frame(Exited(abi::kExitOk));
  return {
      {"SuccessAndNoReport", Script().Write(success), kNoResult},
      {"SuccessAndAnErrorReport", Report(ErrorReport()).Write(success), "table",
       absl::StatusCode::kDataLoss},
      {"SuccessAndAResultWithAnError", Report(both.SerializeAsString()).Write(success), "but"},
      {"SuccessAndAnotherJobsResult", Report(converted.SerializeAsString()).Write(success),
       kNoResult},
      {"SuccessAndGarbage", Report("\xff\xff\xff").Write(success), kNoReport},
      {"SuccessAndAReportCutShort", Report(InfoReport(), InfoReport().size() - 1).Write(success),
       kNoReport},
      {"SuccessAndAReportBeyondItsArea", Report(InfoReport(), UINT64_MAX).Write(success),
       kNoReport},
      {"AFaultAndASuccessReport", Report(InfoReport()).Write(Frame(Faulted(14))),
       "guest fault: page fault"},
      {"AnExitCodeAndASuccessReport", Report(InfoReport()).Write(Frame(Exited(3))),
       "the guest exited with code 3"},
      {"TheGreatestExitCode", Script().Write(Frame(Exited(UINT32_MAX))), "code 4294967295"},
      {"APanicWithoutText", Script().Write(Frame(Exited(abi::kExitPanic))), "the guest gave up"},
      {"APanicOfEscapes",
       Script()
           .Store(Place::kStatus, offsetof(abi::GuestStatus, panic_text), "\x1b]0;x\a")
           .Store(Place::kStatus, offsetof(abi::GuestStatus, panic_size), Script::Bytes(UINT32_MAX))
           .Write(Frame(Exited(abi::kExitPanic))),
       "the guest gave up: \\x1b]0;x\\x07"},
      {"AHaltAndASuccessReport", Report(InfoReport()).Write(Frame(Finished(v1::END_REASON_HALTED))),
       "the guest halted"},
      {"StoppedUntold", Report(InfoReport()).Write(Frame(Finished(v1::END_REASON_STOPPED))),
       "the worker stopped the guest without being told"},
      {"NoReason", Report(InfoReport()).Write(Frame(FinishedAs(0))),
       "the worker does not say how the guest ended"},
      {"AReasonNobodyKnows", Report(InfoReport()).Write(Frame(FinishedAs(99))),
       "the worker broke the control protocol: Finished for the unknown reason 99"},
      {"ANegativeReason", Report(InfoReport()).Write(Frame(FinishedAs(INT_MIN))),
       "Finished for the unknown reason -2147483648"},
      {"AVectorNobodyKnows", Script().Write(Frame(Faulted(UINT32_MAX))),
       "guest fault: exception (vector 4294967295, error 0xffffffffffffffff)"},
      {"ASuccessReportAndAnExit", Report(InfoReport()).Exit(0),
       "the worker exited with status 0 before its guest ended"},
      {"ASuccessReportAndASignal", Report(InfoReport()).Trap(),
       "the worker was killed by signal 4 (SIGILL) before its guest ended",
       absl::StatusCode::kAborted},
      {"ASuccessReportAndAFailure",
       Report(InfoReport()).Write(Frame(Failure(v1::STEP_KVM_RUN, 0, ""))),
       "the worker failed to KVM_RUN"},
  };
}

class EndTest : public HostileWorkerTest, public testing::WithParamInterface<EndCase> {};

TEST_P(EndTest, EndsTheJobWithTheReason) {
  const std::string error = InfoError(GetParam().script, GetParam().code);
  EXPECT_THAT(error, AllOf(HasSubstr(GetParam().error), Not(HasSubstr("\x1b"))));
  EXPECT_LT(elapsed_, kSlack) << "not by the deadline";
}

INSTANTIATE_TEST_SUITE_P(Ends, EndTest, testing::ValuesIn(EndCases()),
                         [](const auto& test) { return test.param.name; });

// ---- Last words, and what it says of its confinement --------------------------------------------

struct WordsCase {
  std::string name;
  v1::FromWorker message;  // the first of a job
  std::string error;
  absl::StatusCode code = kInternal;
};
void PrintTo(const WordsCase& words, std::ostream* out) { *out << words.name; }

v1::FromWorker WithLayer(int layer, int state) {
  v1::FromWorker message = Confined();
  v1::LayerResult& result = *message.mutable_confined()->add_layers();
  result.set_layer(static_cast<v1::Layer>(layer));
  result.set_state(static_cast<v1::LayerState>(state));
  return message;
}

v1::FromWorker EmptyLayers(int count) {
  v1::FromWorker message;
  message.mutable_confined();
  for (int i = 0; i < count; ++i) message.mutable_confined()->add_layers();
  return message;
}

std::vector<WordsCase> WordsCases() {
  constexpr char kNoSense[] = "the worker's report of its confinement makes no sense";
  constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
  std::string escapes;
  for (int i = 0; i < 900; ++i) escapes += "\x1b[2J";
  const auto phase = [](int value) { return static_cast<v1::Phase>(value); };
  return {
      {"NoLayers", EmptyLayers(0), "no-new-privs", kRefused},
      {"TwoThousandEmptyLayers", EmptyLayers(2000), kNoSense},
      {"TenThousandEmptyLayers", EmptyLayers(10000), "a frame of 20004 bytes; 1 to 4092"},
      {"ALayerTwice", WithLayer(v1::LAYER_SECCOMP, v1::LAYER_STATE_ACHIEVED), kNoSense},
      {"ALayerFailedAndAchieved", WithLayer(v1::LAYER_SECCOMP, v1::LAYER_STATE_FAILED), kNoSense},
      {"ALayerNobodyKnows", WithLayer(9999, v1::LAYER_STATE_ACHIEVED), kNoSense},
      {"ANegativeLayer", WithLayer(-1, v1::LAYER_STATE_ACHIEVED), kNoSense},
      {"NoLayerInParticular", WithLayer(0, v1::LAYER_STATE_ACHIEVED), kNoSense},
      {"AStateNobodyKnows", WithLayer(v1::LAYER_UNSPECIFIED, 9999), kNoSense},
      {"ASyscallOfMinusOne", Violation(-1, v1::PHASE_RUN), "forbidden system call number -1"},
      {"TheLeastSyscall", Violation(INT_MIN, v1::PHASE_SETUP), "number -2147483648"},
      {"TheGreatestSyscall", Violation(INT_MAX, v1::PHASE_RUN), "number 2147483647"},
      {"APhaseNobodyKnows", Violation(59, phase(77)), "forbidden system call execve (59)"},
      {"FailureWithoutAStep", Failure(0, 0, ""),
       "the worker failed to take step 0, which is not known"},
      {"FailureInAStepNobodyKnows", Failure(INT_MIN, 0, ""),
       "the worker failed to take step -2147483648, which is not known"},
      {"FailureOfEscapes", Failure(v1::STEP_MMAP, 0, escapes),
       "the worker failed to mmap (\\x1b[2J"},
      {"FailureWithADetailOfNuls", Failure(v1::STEP_MMAP, 0, std::string(4000, '\0')),
       "(\\x00\\x00"},
      {"AnErrorNobodyKnows", Failure(v1::STEP_MMAP, 99999, ""), "the worker failed to mmap",
       absl::StatusCode::kUnknown},
      {"ANegativeError", Failure(v1::STEP_MMAP, INT_MIN, ""), "the worker failed to mmap",
       absl::StatusCode::kUnknown},
  };
}

class WordsTest : public HostileWorkerTest, public testing::WithParamInterface<WordsCase> {};

TEST_P(WordsTest, EndsTheJobWithThemMadeHarmless) {
  const std::string error = Error(Script().Write(Frame(GetParam().message)), GetParam().code);
  EXPECT_THAT(error, AllOf(HasSubstr(GetParam().error), Not(HasSubstr("\x1b"))));
  EXPECT_LT(error.size(), 20000u);
  EXPECT_LT(elapsed_, kSlack) << "not by the deadline";
}

INSTANTIATE_TEST_SUITE_P(Says, WordsTest, testing::ValuesIn(WordsCases()),
                         [](const auto& test) { return test.param.name; });

// ---- What is taken as it is said ----------------------------------------------------------------

using ReportsTest = HostileWorkerTest;

TEST_F(ReportsTest, ASuccessIsOneThoughTheWorkerThenDiesByASignal) {
  const auto reply = Info(Report(InfoReport()).Write(Frame(Exited(abi::kExitOk))).Trap());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->info.virtual_size, 512u);
}

TEST_F(ReportsTest, TheReportIsReadWhenTheGuestHasFinished) {
  Script script = Report(ErrorReport());
  script.Store(Place::kReport, 0, std::string(4096, '\xff')).Write(Frame(Exited(abi::kExitOk)));
  EXPECT_THAT(InfoError(script, kInternal), HasSubstr("no well-formed report"));
}

TEST_F(ReportsTest, AbsurdRegistersAndCountersAreOnlyPassedOn) {
  v1::FromWorker message = Faulted(13);
  v1::Finished& finished = *message.mutable_finished();
  finished.mutable_exits()->set_total(UINT64_MAX);
  finished.mutable_exits()->set_waits(UINT64_MAX);
  finished.set_kvm_exit_reason(UINT32_MAX);
  finished.set_address(UINT64_MAX);
  finished.set_access_size(UINT32_MAX);
  for (int i = 0; i < 100; ++i) {
    finished.add_dirty_pages()->set_first(UINT64_MAX);
    finished.mutable_dirty_pages(i)->set_count(UINT64_MAX);
  }
  const auto reply = Run(Running().Write(Frame(message)));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->worker.end.exits.total, UINT64_MAX);
  EXPECT_EQ(reply->worker.end.dirty_pages.size(), 100u);
}

// Parts of two bytes each.
template <typename AddPart>
std::string ReportOfEmptyParts(int count, const AddPart& add_part) {
  v1::Report report;
  report.mutable_info();
  for (int i = 0; i < count; ++i) add_part(report);
  return report.SerializeAsString();
}

constexpr int kHalfAMillion = 500'000;
constexpr char kTooManyParts[] = "the report on this image has more parts than the limit";

TEST_F(ReportsTest, AChainOfManyImagesIsRefused) {
  const auto error = [&](int count, absl::StatusCode code) {
    const std::string report =
        ReportOfEmptyParts(count, [](v1::Report& parts) { parts.add_backing_chain(); });
    return InfoError(Report(report).Write(Frame(Exited(abi::kExitOk))), code);
  };
  EXPECT_EQ(error(8000, kInternal), "the guest describes more images than a chain may have");
  EXPECT_THAT(error(kHalfAMillion, absl::StatusCode::kResourceExhausted), HasSubstr(kTooManyParts));
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(ReportsTest, EmptySnapshotsTakeBoundedMemory) {
  const auto report_of = [](int count) {
    return ReportOfEmptyParts(count,
                              [](v1::Report& parts) { parts.mutable_info()->add_snapshots(); });
  };
  max_growth_ = 24 << 20;
  const auto reply = Info(Report(report_of(65'536)).Write(Frame(Exited(abi::kExitOk))));
  EXPECT_TRUE(reply.ok()) << reply.status();
  EXPECT_THAT(InfoError(Report(report_of(kHalfAMillion)).Write(Frame(Exited(abi::kExitOk))),
                        absl::StatusCode::kResourceExhausted),
              HasSubstr(kTooManyParts));
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(ReportsTest, ProgressNeverExceedsItsTotal) {
  uint64_t done = 0;
  uint64_t total = 0;
  options_.progress = [&](uint64_t now_done, uint64_t now_total) {
    done = now_done;
    total = now_total;
  };
  const std::string words[] = {Script::Bytes(UINT64_MAX), Script::Bytes(uint64_t{7})};
  ASSERT_TRUE(Info(Report(InfoReport())
                       .Store(Place::kStatus, offsetof(abi::GuestStatus, progress_done), words[0])
                       .Store(Place::kStatus, offsetof(abi::GuestStatus, progress_total), words[1])
                       .Write(Frame(Exited(abi::kExitOk))))
                  .ok());
  EXPECT_EQ(done, 7u);
  EXPECT_EQ(total, 7u);
}

}  // namespace
}  // namespace hotcell::hostile
