// Workers that abuse what they share with the broker besides the control pipe: eventfds, the arena,
// and being a process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "guest/abi/abi.h"
#include "tests/hostile/scripted_worker/fixture.h"

namespace hotcell::hostile {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr uint64_t kFull = UINT64_MAX - 1;
const std::string kHalted = Frame(Finished(v1::END_REASON_HALTED));

abi::Submission Read(uint32_t slot) {
  return {.opcode = static_cast<uint32_t>(abi::Opcode::kRead), .slot = slot, .length = 1};
}

// Requests as a guest submits them, seen by the broker at once.
Script& Submit(Script& script, uint32_t tail, const abi::Submission& first) {
  return script.Store(Place::kSubmissions, 0, Script::Bytes(first))
      .Store(Place::kLane0, offsetof(abi::LaneControl, sq_tail), Script::Bytes(tail))
      .AddTo(abi::kFdDoorbell, 1);
}

// ---- What lasts until the deadline --------------------------------------------------------------

struct SiegeCase {
  std::string name;
  Script script;
};
void PrintTo(const SiegeCase& siege, std::ostream* out) { *out << siege.name; }

std::vector<SiegeCase> SiegeCases() {
  Script flips = Running();
  flips.Fork().Flip(Place::kLane0, offsetof(abi::LaneControl, guest_waiting), Script::Bytes(0),
                    Script::Bytes(1));
  return {
      {"Nothing", Running()},
      {"ABusyLoop", Running().Burn()},
      {"AStormOfDoorbells", Running().AddForever(abi::kFdDoorbell)},
      {"AStormOfWakes", Running().AddForever(abi::kFdWake)},
      {"AFullDoorbell", Running().AddTo(abi::kFdDoorbell, kFull)},
      {"AFullWake", Running().AddTo(abi::kFdWake, kFull)},
      {"ADoorbellTakenFromTheBroker", Running().TakeForever(abi::kFdDoorbell)},
      {"ADoorbellThatDoesNotBlock", Running().Unblock(abi::kFdDoorbell)},
      {"AWakeThatDoesNotBlock", Running().Unblock(abi::kFdWake).AddTo(abi::kFdWake, kFull)},
      {"AChildThatFillsTheWake", Running().Fork().AddForever(abi::kFdWake).Burn()},
      {"AChildWithThePipe", Running().Fork().Hang().ClosePipe(abi::kFdControlOut)},
      {"AChildThatBurns", Running().Fork().Burn().Burn()},
      {"AStormOfDoorbellsWithAFlippingLane", flips.AddForever(abi::kFdDoorbell)},
      {"AClosedEndForReading", Running().ClosePipe(abi::kFdControlIn)},
  };
}

class SiegeTest : public HostileWorkerTest, public testing::WithParamInterface<SiegeCase> {};

TEST_P(SiegeTest, EndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(250);
  EXPECT_THAT(Error(GetParam().script, kDeadline), HasSubstr("`wall-time` of 250ms"));
}

TEST_P(SiegeTest, EndsWhenItIsCancelled) {
  Cancellation cancellation;
  options_.cancellation = &cancellation;
  std::thread canceller([&] {
    absl::SleepFor(absl::Milliseconds(100));
    cancellation.Cancel();
  });
  Error(GetParam().script, absl::StatusCode::kCancelled);
  canceller.join();
  EXPECT_LT(elapsed_, kSlack);
}

INSTANTIATE_TEST_SUITE_P(Worker, SiegeTest, testing::ValuesIn(SiegeCases()),
                         [](const auto& test) { return test.param.name; });

// ---- Processes ----------------------------------------------------------------------------------

using EventsTest = HostileWorkerTest;

TEST_F(EventsTest, AWorkerThatClosesItsPipeAndStaysIsKilled) {
  EXPECT_THAT(Error(Running().ClosePipe(abi::kFdControlOut), kInternal),
              HasSubstr("closed its control pipe and went on"));
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(EventsTest, AWorkerThatClosesItsPipeBeforeItSaysAnythingIsKilled) {
  EXPECT_THAT(Error(Script().ClosePipe(abi::kFdControlOut), kInternal),
              HasSubstr("closed its control pipe and went on"));
}

TEST_F(EventsTest, TheLastWordsOfADeadWorkerAreHeard) {
  EXPECT_TRUE(Run(Running().Write(kHalted).Exit(7)).ok());
}

TEST_F(EventsTest, AChildThatHoldsThePipeDiesWithItsWorker) {
  EXPECT_THAT(Error(Running().Fork().Hang().Exit(7), kInternal),
              HasSubstr("the worker exited with status 7"));
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(EventsTest, AChildThatFloodsThePipeDiesWithItsWorker) {
  EXPECT_THAT(Error(Running().Fork().WriteForever(Frame(Trace("x"))).Exit(7), kInternal),
              HasSubstr("the worker exited with status 7"));
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(EventsTest, AStoppedWorkerEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(400);
  std::thread stopper([] {
    absl::SleepFor(absl::Milliseconds(100));
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream children(task.path() / "children");
      for (pid_t child = 0; children >> child;) kill(child, SIGSTOP);
    }
  });
  Error(Running().WriteForever(Frame(Trace("x")), 1000), kDeadline);
  stopper.join();
}

TEST_F(EventsTest, ProcessorTimeEndsABusyWorker) {
  options_.limits.cpu_time = absl::Milliseconds(150);
  EXPECT_THAT(Error(Running().Burn(), kDeadline), HasSubstr("`cpu-time` of 150ms"));
}

// ---- The arena ----------------------------------------------------------------------------------

TEST_F(EventsTest, ARequestForAFileOfNoJobIsRefused) {
  Script script = Running();
  EXPECT_THAT(Error(Submit(script, 1, Read(0)), kInternal),
              HasSubstr("slot 0, which is none of the job's files"));
}

TEST_F(EventsTest, MoreRequestsThanARingHasAreRefused) {
  Script script = Running();
  EXPECT_THAT(Error(Submit(script, UINT32_MAX, Read(0)), kInternal),
              HasSubstr("4294967295 requests in a submission ring of 128"));
}

TEST_F(EventsTest, ARingThatIsBrokenWithTheFinishedFrameFailsTheJob) {
  Script script = Running();
  EXPECT_THAT(Error(Submit(script, 200, Read(0)).Sleep(50).Write(kHalted), kInternal),
              HasSubstr("200 requests in a submission ring of 128"));
}

// A worker of a job with an image: one read is done, and the same stands in the whole ring.
Script ReadAgain(uint32_t tail, uint32_t taken) {
  return Script()
      .Store(Place::kLane0, offsetof(abi::LaneControl, cq_head), Script::Bytes(taken))
      .Store(Place::kLane0, offsetof(abi::LaneControl, sq_tail), Script::Bytes(tail))
      .AddTo(abi::kFdDoorbell, 1);
}

TEST_F(EventsTest, AFullRingOfReadsIsServed) {
  v1::FromWorker finished = Finished(v1::END_REASON_EXITED);
  finished.mutable_finished()->set_exit_code(5);
  EXPECT_THAT(InfoError(ReadAgain(129, 1).Sleep(50).Write(Frame(finished)), kInternal),
              HasSubstr("the guest exited with code 5"));
}

TEST_F(EventsTest, ACompletionRingWithoutRoomIsRefused) {
  EXPECT_THAT(InfoError(ReadAgain(129, 0), kInternal),
              HasSubstr("no room in a completion ring of 128 (cq_tail 128, cq_head 0)"));
}

TEST_F(EventsTest, CompletionsTakenBeforeTheyArePostedAreRefused) {
  EXPECT_THAT(InfoError(ReadAgain(2, 100), kInternal),
              HasSubstr("no room in a completion ring of 128 (cq_tail 1, cq_head 100)"));
}

TEST_F(EventsTest, ARequestThatChangesWhileItIsReadIsOneOrTheOther) {
  options_.limits.wall_time = absl::Milliseconds(300);
  Script script = Running();
  script.Fork().Flip(Place::kSubmissions, 0, Script::Bytes(Read(1)), Script::Bytes(Read(2)));
  EXPECT_THAT(Error(Submit(script, 1, Read(1)), kInternal),
              AnyOf(HasSubstr("opcode 1 for slot 1,"), HasSubstr("opcode 1 for slot 2,")));
}

TEST_F(EventsTest, ARingThatChangesWhileItIsReadIsRefused) {
  options_.limits.wall_time = absl::Seconds(5);
  Script script = Running();
  script.Fork().Flip(Place::kLane0, offsetof(abi::LaneControl, sq_tail), Script::Bytes(uint32_t{0}),
                     Script::Bytes(uint32_t{129}));
  EXPECT_THAT(Error(script.AddForever(abi::kFdDoorbell), kInternal),
              AnyOf(HasSubstr("129 requests in a submission ring"), HasSubstr("broke the ring")));
}

TEST_F(EventsTest, GarbageAllOverTheLaneIsRefused) {
  Script script = Running();
  script.Store(Place::kLane0, 0, std::string(8192, '\xa5')).AddTo(abi::kFdDoorbell, 1);
  EXPECT_THAT(Error(script, kInternal), HasSubstr("broke the ring protocol"));
}

// ---- Between confinement and the job ------------------------------------------------------------

TEST_F(EventsTest, AFullWakeBeforeItsJobHoldsUpNobody) {
  options_.limits.wall_time = absl::Milliseconds(250);
  EXPECT_EQ(Info(Script(), kFillsWakes).status().code(), kDeadline);
}

TEST_F(EventsTest, AWorkerThatTalksWhenItIsReadyIsServed) {
  v1::FromWorker finished = Finished(v1::END_REASON_EXITED);
  finished.mutable_finished()->set_exit_code(5);
  EXPECT_THAT(
      std::string(Info(Script().Write(Frame(finished)), kTalksWhenReady).status().message()),
      HasSubstr("the guest exited with code 5"));
}

}  // namespace
}  // namespace hotcell::hostile
