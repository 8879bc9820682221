#include "vmm-worker/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "base/unique_fd.h"

namespace hotcell::worker {
namespace {

using ::testing::HasSubstr;

class FramesTest : public ::testing::Test {
 protected:
  FramesTest() {
    std::array<int, 2> to_worker{};
    std::array<int, 2> from_worker{};
    EXPECT_EQ(pipe(to_worker.data()), 0);
    EXPECT_EQ(pipe(from_worker.data()), 0);
    worker_in_ = UniqueFd(to_worker[0]);
    broker_out_ = UniqueFd(to_worker[1]);
    broker_in_ = UniqueFd(from_worker[0]);
    worker_out_ = UniqueFd(from_worker[1]);
    channel_.emplace(worker_in_.get(), worker_out_.get());
  }

  void SendRaw(const std::string& bytes) {
    ASSERT_EQ(write(broker_out_.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  static std::string Length(uint32_t size) {
    std::string bytes(sizeof(size), '\0');
    std::memcpy(bytes.data(), &size, sizeof(size));
    return bytes;
  }

  void ExpectError(const std::string& words) {
    const auto message = channel_->Read();
    ASSERT_FALSE(message.ok());
    EXPECT_THAT(message.error().detail, HasSubstr(words));
  }

  UniqueFd worker_in_;
  UniqueFd broker_out_;
  UniqueFd broker_in_;
  UniqueFd worker_out_;
  std::optional<FrameChannel> channel_;
};

TEST_F(FramesTest, MessagesArriveOneByOne) {
  v1::ToWorker start;
  start.mutable_start()->set_serial_input("typed");
  v1::ToWorker stop;
  stop.mutable_stop()->set_reason(v1::STOP_REASON_DEADLINE);
  for (const v1::ToWorker& message : {start, stop}) {
    const std::string body = message.SerializeAsString();
    SendRaw(Length(body.size()) + body);
  }
  const auto first = channel_->Read();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ((*first)->start().serial_input(), "typed");
  const auto second = channel_->Read();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->stop().reason(), v1::STOP_REASON_DEADLINE);
}

TEST_F(FramesTest, EndBetweenFramesIsNoError) {
  broker_out_.reset();
  const auto message = channel_->Read();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(*message, nullptr);
}

TEST_F(FramesTest, EndWithinALengthIsAnError) {
  SendRaw("\x01\x02");
  broker_out_.reset();
  ExpectError("within a length");
}

TEST_F(FramesTest, EndWithinAFrameIsAnError) {
  SendRaw(Length(100) + "abc");
  broker_out_.reset();
  ExpectError("within a frame");
}

TEST_F(FramesTest, LengthBeyondTheCapIsAnErrorBeforeItsBytesAreRead) {
  SendRaw(Length(abi::kMaxFrameToWorker + 1));
  ExpectError("too long");
}

TEST_F(FramesTest, FrameThatIsNoMessageIsAnError) {
  SendRaw(Length(3) + "\xff\xff\xff");
  ExpectError("not a message");
}

TEST_F(FramesTest, EmptyFrameIsAMessageWithoutContent) {
  SendRaw(Length(0));
  const auto message = channel_->Read();
  ASSERT_TRUE(message.ok());
  EXPECT_EQ((*message)->message_case(), v1::ToWorker::MESSAGE_NOT_SET);
}

TEST_F(FramesTest, WrittenFrameHasItsLengthBeforeIt) {
  v1::FromWorker message;
  message.mutable_trace()->set_text("hello");
  ASSERT_TRUE(channel_->Write(message));
  std::array<char, 4096> buffer;
  const ssize_t n = read(broker_in_.get(), buffer.data(), buffer.size());
  const std::string body = message.SerializeAsString();
  EXPECT_EQ(std::string(buffer.data(), n), Length(body.size()) + body);
}

TEST_F(FramesTest, MessageThatDoesNotFitIsNotWritten) {
  v1::FromWorker message;
  message.mutable_trace()->set_text(std::string(abi::kMaxFrameFromWorker, 'x'));
  EXPECT_FALSE(channel_->Write(message));
  worker_out_.reset();
  char byte = 0;
  EXPECT_EQ(read(broker_in_.get(), &byte, 1), 0);
}

}  // namespace
}  // namespace hotcell::worker
