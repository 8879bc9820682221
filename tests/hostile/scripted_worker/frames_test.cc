// Workers that break the rules of framing, or of protobuf inside a frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "guest/abi/abi.h"
#include "tests/hostile/scripted_worker/fixture.h"

namespace hotcell::hostile {
namespace {

using testing::HasSubstr;

struct FrameCase {
  std::string name;
  std::string bytes;  // to the control pipe of a running worker, which then hangs
  std::string error;
};
void PrintTo(const FrameCase& frame, std::ostream* out) { *out << frame.name; }

constexpr char kNoMessage[] = "a frame is no FromWorker message";
constexpr char kUnknown[] = "the worker broke the control protocol: an unknown message";

// Field `number` of wire type `type`.
std::string Tag(uint32_t number, uint32_t type) {
  std::string tag;
  uint32_t value = number << 3 | type;
  for (; value >= 0x80; value >>= 7) tag += static_cast<char>(value | 0x80);
  return tag + static_cast<char>(value);
}

std::string Repeat(std::string_view part, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += part;
  return all;
}

std::vector<FrameCase> FrameCases() {
  const std::string cap(abi::kMaxFrameFromWorker, '\xff');
  const auto allowed = [](uint32_t length) {
    return "a frame of " + std::to_string(length) + " bytes; 1 to 4092 are allowed";
  };
  return {
      {"ZeroLength", Frame("", 0), allowed(0)},
      {"ZeroLengthsInARow", Repeat(Frame("", 0), 1000), allowed(0)},
      {"OneOverTheCap", Frame("", 4093), allowed(4093)},
      {"OneOverTheCapWithItsBytes", Frame(cap + "x"), allowed(4093)},
      {"HalfOfAllLengths", Frame("", 1u << 31), allowed(1u << 31)},
      {"GreatestLength", Frame("", UINT32_MAX), allowed(UINT32_MAX)},
      {"BigEndianLength", std::string("\0\0\0\x02", 4) + "\x12\0", allowed(2u << 24)},
      {"GarbageAtTheCap", Frame(cap), kNoMessage},
      {"GarbageAfterAGoodFrame", Frame(Trace("x")) + Frame("\xff\xff\xff"), kNoMessage},
      {"UnknownMessage", Frame(Tag(8, 2) + std::string(1, '\0')), kUnknown},
      {"UnknownMessageOfAHighNumber", Frame(Tag(536870911, 0) + "\x01"), kUnknown},
      {"OnlyUnknownFields", Frame(Repeat(Tag(100, 0) + "\x01", 1000)), kUnknown},
      {"FieldNumberZero", Frame(std::string("\0\x01", 2)), kNoMessage},
      {"WireTypeSix", Frame(Tag(3, 6) + "x"), kNoMessage},
      {"OverlongVarint", Frame(Tag(9, 0) + std::string(11, '\xff')), kNoMessage},
      {"LengthBeyondTheFrame", Frame(Tag(4, 2) + "\x7f" + "x"), kNoMessage},
      {"LengthBeyondAllFrames", Frame(Tag(4, 2) + "\xff\xff\xff\xff\x07" + "x"), kNoMessage},
      {"MessageOfTheWrongWireType", Frame(Tag(5, 0) + "\x01"), kUnknown},
      {"NestedUnknownGroups", Frame(Repeat(Tag(20, 3), 1000) + Repeat(Tag(20, 4), 1000)),
       kNoMessage},
      {"UnendedGroup", Frame(Tag(20, 3)), kNoMessage},
      {"EndOfAGroupThatDidNotBegin", Frame(Tag(20, 4)), kNoMessage},
      {"TraceThatIsNoUtf8", Frame(Tag(4, 2) + "\x04" + Tag(1, 2) + "\x02\xc3\x28"), kNoMessage},
      {"FailureThatIsNoUtf8", Frame(Tag(7, 2) + "\x03" + Tag(3, 2) + "\x01\xff"), kNoMessage},
      {"TheBrokersOwnStart", Frame(Tag(2, 2) + "\x02" + Tag(1, 0) + "\x01"),
       "Ready in state running"},
  };
}

class FrameTest : public HostileWorkerTest, public testing::WithParamInterface<FrameCase> {};

TEST_P(FrameTest, EndsTheJob) {
  EXPECT_THAT(Error(Running().Write(GetParam().bytes), kInternal), HasSubstr(GetParam().error));
  EXPECT_LT(elapsed_, kSlack) << "not by the deadline";
}

INSTANTIATE_TEST_SUITE_P(Malformed, FrameTest, testing::ValuesIn(FrameCases()),
                         [](const auto& test) { return test.param.name; });

using FramesTest = HostileWorkerTest;

TEST_F(FramesTest, AFrameAtTheCapIsTaken) {
  // Its two headers take 3 bytes each.
  const v1::FromWorker message = Trace(std::string(abi::kMaxFrameFromWorker - 6, 'x'));
  ASSERT_EQ(message.ByteSizeLong(), abi::kMaxFrameFromWorker);
  EXPECT_TRUE(
      Run(Running().Write(Frame(message)).Write(Frame(Finished(v1::END_REASON_HALTED)))).ok());
  EXPECT_EQ(traces_, 1u);
}

TEST_F(FramesTest, UnknownFieldsBesideAMessageChangeNothing) {
  const std::string body =
      Repeat(Tag(100, 0) + "\x01", 500) + Finished(v1::END_REASON_HALTED).SerializeAsString();
  const auto reply = Run(Running().Write(Frame(body)));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->worker.end.reason, EndReason::kHalted);
}

TEST_F(FramesTest, OfTwoMessagesInAFrameTheLastCounts) {
  const std::string body =
      Ready().SerializeAsString() + Finished(v1::END_REASON_HALTED).SerializeAsString();
  EXPECT_TRUE(Run(Running().Write(Frame(body))).ok());
}

const std::string kFinished = Frame(Finished(v1::END_REASON_HALTED));

TEST_F(FramesTest, HalfAFrameAndSilenceEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(200);
  EXPECT_THAT(Error(Running().Write(kFinished.substr(0, 5)), kDeadline),
              HasSubstr("`wall-time` of 200ms"));
}

TEST_F(FramesTest, HalfALengthAndSilenceEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(200);
  Error(Running().Write(kFinished.substr(0, 2)), kDeadline);
}

TEST_F(FramesTest, HalfAFrameAndExitSaysThatItEndsEarly) {
  EXPECT_THAT(Error(Running().Write(kFinished.substr(0, 5)).Exit(0), kInternal),
              HasSubstr("its last frame ends early"));
}

TEST_F(FramesTest, HalfALengthAndExitSaysThatItEndsEarly) {
  EXPECT_THAT(Error(Running().Write(kFinished.substr(0, 3)).Exit(0), kInternal),
              HasSubstr("its last frame ends early"));
}

TEST_F(FramesTest, HalfAFrameAndAClosedPipeSaysThatItEndsEarly) {
  EXPECT_THAT(
      Error(Running().Write(kFinished.substr(0, 5)).ClosePipe(abi::kFdControlOut), kInternal),
      HasSubstr("its last frame ends early"));
}

TEST_F(FramesTest, TheOtherHalfMayComeLate) {
  EXPECT_TRUE(
      Run(Running().Write(kFinished.substr(0, 5)).Sleep(150).Write(kFinished.substr(5))).ok());
}

TEST_F(FramesTest, AByteNowAndThenEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  Script script = Running();
  const std::string frame = Frame(Trace(std::string(200, 'x')));
  for (const char byte : frame) script.Write(std::string(1, byte)).Sleep(20);
  EXPECT_THAT(Error(script, kDeadline), HasSubstr("`wall-time` of 300ms"));
}

TEST_F(FramesTest, AFrameNowAndThenEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  Error(Running().WriteForever(Frame(Trace("still here")), 10'000), kDeadline);
  EXPECT_GT(traces_, 2u);
}

TEST_F(FramesTest, AFloodOfTraceEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  Error(Running().WriteForever(Frame(Trace(std::string(4000, 'x')))), kDeadline);
  EXPECT_GT(traces_, 100u);
}

TEST_F(FramesTest, AFloodOfTheSmallestFramesEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  Error(Running().WriteForever(Repeat(Frame(Trace("")), 600)), kDeadline);
}

TEST_F(FramesTest, AFloodOfOutputEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  has_console_ = true;
  Error(Running().WriteForever(Frame(Output(std::string(4000, 'x')))), kDeadline);
  EXPECT_EQ(console_, std::string(4000, 'x'));
}

TEST_F(FramesTest, AFloodOfUnknownFieldsEndsAtOnce) {
  EXPECT_THAT(Error(Running().WriteForever(Frame(Repeat(Tag(100, 0) + "\x01", 1000))), kInternal),
              HasSubstr(kUnknown));
}

TEST_F(FramesTest, AFloodOfTraceBeforeReadyEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  Error(Script().Write(Frame(Confined())).WriteForever(Frame(Trace("x"))), kDeadline);
}

TEST_F(FramesTest, AWorkerThatDoesNotReadItsStartHoldsUpNobody) {
  options_.limits.wall_time = absl::Milliseconds(300);
  serial_input_.assign(abi::kMaxFrameToWorker - 64, 'x');
  Error(Script().Write(Frame(Confined())).Write(Frame(Ready())), kDeadline);
}

TEST_F(FramesTest, AWorkerThatReadsItsStartLateGetsAllOfIt) {
  serial_input_.assign(abi::kMaxFrameToWorker - 64, 'x');
  EXPECT_TRUE(Run(Script()
                      .Write(Frame(Confined()))
                      .Write(Frame(Ready()))
                      .Sleep(100)
                      .Receive()
                      .Write(kFinished))
                  .ok());
}

TEST_F(FramesTest, AWorkerThatClosesItsEndForReadingHoldsUpNobody) {
  options_.limits.wall_time = absl::Milliseconds(300);
  serial_input_.assign(abi::kMaxFrameToWorker - 64, 'x');
  Error(Script().ClosePipe(abi::kFdControlIn).Write(Frame(Confined())).Write(Frame(Ready())),
        kDeadline);
}

}  // namespace
}  // namespace hotcell::hostile
