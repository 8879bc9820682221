#include "broker/workers/control_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>

#include "guest/abi/abi.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

std::string Frame(const v1::FromWorker& message) {
  const std::string body = message.SerializeAsString();
  const auto size = static_cast<uint32_t>(body.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + body;
}

v1::FromWorker Confined() {
  v1::FromWorker message;
  message.mutable_confined()->add_layers()->set_layer(v1::LAYER_SECCOMP);
  return message;
}

v1::FromWorker Ready() {
  v1::FromWorker message;
  message.mutable_ready();
  return message;
}

v1::FromWorker Output() {
  v1::FromWorker message;
  message.mutable_output()->set_serial("x");
  return message;
}

v1::FromWorker Trace() {
  v1::FromWorker message;
  message.mutable_trace()->set_text("x");
  return message;
}

v1::FromWorker Finished() {
  v1::FromWorker message;
  message.mutable_finished()->set_reason(v1::END_REASON_EXITED);
  return message;
}

v1::FromWorker Violation() {
  v1::FromWorker message;
  message.mutable_violation()->set_syscall(59);
  return message;
}

v1::FromWorker Failure() {
  v1::FromWorker message;
  message.mutable_failure()->set_step(v1::STEP_KVM_RUN);
  return message;
}

class ControlChannelTest : public testing::Test {
 protected:
  ControlChannelTest() : channel_(*ControlChannel::Create()) {}

  void WorkerWrites(const std::string& bytes) {
    ASSERT_EQ(write(channel_.worker_out(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  absl::StatusOr<std::optional<v1::FromWorker>> Receive(const std::string& bytes) {
    WorkerWrites(bytes);
    return Receive();
  }
  absl::StatusOr<std::optional<v1::FromWorker>> Receive() {
    if (absl::Status status = channel_.ReadAvailable(); !status.ok()) return status;
    return channel_.Next();
  }
  void BringTo(WorkerState state) {
    if (state >= WorkerState::kConfined) {
      ASSERT_TRUE(Receive(Frame(Confined())).ok());
    }
    if (state >= WorkerState::kReady) {
      ASSERT_TRUE(Receive(Frame(Ready())).ok());
    }
    if (state >= WorkerState::kRunning) {
      ASSERT_TRUE(channel_.SendStart({}).ok());
    }
    if (state >= WorkerState::kFinished) {
      ASSERT_TRUE(Receive(Frame(Finished())).ok());
    }
    ASSERT_EQ(channel_.state(), state);
  }

  ControlChannel channel_;
};

TEST_F(ControlChannelTest, WalksThroughAllStates) { BringTo(WorkerState::kFinished); }

TEST_F(ControlChannelTest, StartComesOnceAndNotBeforeTheWorkerIsConfined) {
  EXPECT_EQ(channel_.SendStart({}).code(), absl::StatusCode::kFailedPrecondition);
  BringTo(WorkerState::kConfined);
  EXPECT_TRUE(channel_.SendStart({}).ok());
  EXPECT_EQ(channel_.state(), WorkerState::kConfined) << "it runs once it is ready";
  EXPECT_EQ(channel_.SendStart({}).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Receive(Frame(Ready())).ok());
  EXPECT_EQ(channel_.state(), WorkerState::kRunning);
  EXPECT_TRUE(Receive(Frame(Finished())).ok());
}

TEST_F(ControlChannelTest, AStartThatWaitsLetsNoGuestFinishBeforeReady) {
  BringTo(WorkerState::kConfined);
  ASSERT_TRUE(channel_.SendStart({}).ok());
  EXPECT_FALSE(Receive(Frame(Finished())).ok());
}

TEST_F(ControlChannelTest, AllowsEachMessageOnlyInItsStates) {
  const v1::FromWorker messages[] = {Confined(), Ready(),     Output(), Trace(),
                                     Finished(), Violation(), Failure()};
  // Rows: spawned, confined, ready, running, finished.
  const std::string allowed[] = {"C----VF", "-R-T-VF", "---T-VF", "--OTFVF", "-------"};
  for (int state = 0; state < 5; ++state) {
    for (int kind = 0; kind < 7; ++kind) {
      channel_ = *ControlChannel::Create();
      BringTo(static_cast<WorkerState>(state));
      const auto received = Receive(Frame(messages[kind]));
      EXPECT_EQ(received.ok(), allowed[state][kind] != '-')
          << "state " << state << " kind " << kind;
    }
  }
}

TEST_F(ControlChannelTest, TakesAFrameByteByByte) {
  const std::string frame = Frame(Confined());
  for (size_t i = 0; i + 1 < frame.size(); ++i) {
    const auto received = Receive(frame.substr(i, 1));
    ASSERT_TRUE(received.ok());
    EXPECT_FALSE(received->has_value());
  }
  const auto received = Receive(frame.substr(frame.size() - 1));
  ASSERT_TRUE(received.ok() && received->has_value());
  EXPECT_EQ((*received)->confined().layers_size(), 1);
}

TEST_F(ControlChannelTest, TakesManyFramesOfOneRead) {
  BringTo(WorkerState::kRunning);
  WorkerWrites(Frame(Output()) + Frame(Trace()) + Frame(Finished()));
  ASSERT_TRUE(channel_.ReadAvailable().ok());
  EXPECT_TRUE((*channel_.Next())->has_output());
  EXPECT_TRUE((*channel_.Next())->has_trace());
  EXPECT_TRUE((*channel_.Next())->has_finished());
  EXPECT_FALSE((*channel_.Next()).has_value());
}

TEST_F(ControlChannelTest, RefusesAFrameOverTheCapBeforeItsBytesCome) {
  const uint32_t size = abi::kMaxFrameFromWorker + 1;
  const auto received = Receive(std::string(reinterpret_cast<const char*>(&size), sizeof(size)));
  EXPECT_THAT(std::string(received.status().message()), HasSubstr("a frame of 4093 bytes"));
}

TEST_F(ControlChannelTest, RefusesEmptyFramesAndGarbage) {
  EXPECT_FALSE(Receive(std::string(4, '\0')).ok());
  channel_ = *ControlChannel::Create();
  EXPECT_FALSE(Receive(std::string("\x03\x00\x00\x00\xff\xff\xff", 7)).ok());
  channel_ = *ControlChannel::Create();
  // Valid protobuf of a field nobody knows.
  EXPECT_FALSE(Receive(std::string("\x03\x00\x00\x00\xfa\x01\x00", 7)).ok());
}

TEST_F(ControlChannelTest, ATextThatIsNotUtf8IsRefusedAndNothingIsPrinted) {
  BringTo(WorkerState::kConfined);
  testing::internal::CaptureStderr();
  const auto received = Receive(std::string("\x05\x00\x00\x00\x22\x03\x0a\x01\xff", 9));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(received.ok());
}

TEST_F(ControlChannelTest, RandomBytesNeverGetFartherThanAnError) {
  std::minstd_rand random(3);
  for (int round = 0; round < 500; ++round) {
    channel_ = *ControlChannel::Create();
    std::string bytes(4 + random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    bytes[1] = bytes[2] = bytes[3] = 0;
    WorkerWrites(bytes);
    channel_.CloseWorkerEnds();
    absl::Status status;
    while (status.ok()) {
      const auto received = Receive();
      status = received.status();
      if (received.ok() && !received->has_value() && channel_.at_eof()) break;
    }
    EXPECT_NE(channel_.state(), WorkerState::kRunning);
  }
}

TEST_F(ControlChannelTest, AFloodIsReadInBoundedPieces) {
  BringTo(WorkerState::kRunning);
  std::string flood;
  while (flood.size() < 60000) flood += Frame(Output());
  WorkerWrites(flood);
  size_t frames = 0;
  for (int turn = 0; turn < 5; ++turn) {
    ASSERT_TRUE(channel_.ReadAvailable().ok());
    ASSERT_TRUE(channel_.ReadAvailable().ok());  // without Next() in between: no growth
    while ((*channel_.Next()).has_value()) ++frames;
  }
  EXPECT_LE(frames * Frame(Output()).size(), 5 * 2 * (abi::kMaxFrameFromWorker + 4));
}

TEST_F(ControlChannelTest, EofInAFrameIsAnErrorAndBetweenFramesIsNot) {
  WorkerWrites(Frame(Confined()).substr(0, 5));
  channel_.CloseWorkerEnds();
  ASSERT_TRUE(channel_.ReadAvailable().ok());
  ASSERT_TRUE(channel_.ReadAvailable().ok());
  EXPECT_TRUE(channel_.at_eof());
  EXPECT_THAT(std::string(channel_.Next().status().message()), HasSubstr("ends early"));

  channel_ = *ControlChannel::Create();
  channel_.CloseWorkerEnds();
  const auto received = Receive();
  EXPECT_TRUE(channel_.at_eof());
  ASSERT_TRUE(received.ok());
  EXPECT_FALSE(received->has_value());
}

TEST_F(ControlChannelTest, SendsFramesTheWorkerCanRead) {
  v1::Setup setup;
  setup.set_vcpus(3);
  ASSERT_TRUE(channel_.SendSetup(setup).ok());
  EXPECT_FALSE(channel_.wants_write());
  char buffer[100];
  const ssize_t got = read(channel_.worker_in(), buffer, sizeof(buffer));
  ASSERT_GT(got, 4);
  v1::ToWorker message;
  ASSERT_TRUE(message.ParseFromArray(buffer + 4, static_cast<int>(got - 4)));
  EXPECT_EQ(message.setup().vcpus(), 3u);
}

TEST_F(ControlChannelTest, AWorkerThatDoesNotReadDoesNotBlockTheBroker) {
  BringTo(WorkerState::kReady);
  v1::Start start;
  start.set_serial_input(std::string(200 << 10, 'x'));
  ASSERT_TRUE(channel_.SendStart(start).ok());
  EXPECT_TRUE(channel_.wants_write());
  size_t total = 0;
  char buffer[65536];
  while (channel_.wants_write()) {
    const ssize_t got = read(channel_.worker_in(), buffer, sizeof(buffer));
    ASSERT_GT(got, 0);
    total += static_cast<size_t>(got);
    ASSERT_TRUE(channel_.WritePending().ok());
  }
  EXPECT_GT(total, 0u);
}

TEST_F(ControlChannelTest, RefusesToSendWhatIsOverTheCap) {
  BringTo(WorkerState::kReady);
  v1::Start start;
  start.set_serial_input(std::string(abi::kMaxFrameToWorker, 'x'));
  EXPECT_EQ(channel_.SendStart(start).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace hotcell::broker
