#include "guest/runtime/native/native_channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "guest/runtime/native/native_lanes.h"

namespace hotcell::guest {
namespace {

using testing::HasSubstr;

class NativeChannelTest : public testing::Test {
 protected:
  static constexpr size_t kBufferSize = 64 << 10;

  FileHandle Add(std::vector<std::byte> bytes) {
    auto file = std::make_unique<MemoryFile>(std::move(bytes));
    memory_ = file.get();
    return files_.Add(std::move(file));
  }

  NativeFiles files_;
  NativeChannel io_{files_, 4, kBufferSize};
  MemoryFile* memory_ = nullptr;
};

using NativeChannelDeathTest = NativeChannelTest;

TEST_F(NativeChannelTest, ReadExactCrossesBuffers) {
  std::vector<std::byte> bytes(3 * kBufferSize + 5);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i % 253);
  const FileHandle file = Add(bytes);
  std::vector<std::byte> out(bytes.size() - 7);

  ASSERT_TRUE(ReadExact(io_, file, 7, out, "data").ok());

  EXPECT_TRUE(std::equal(out.begin(), out.end(), bytes.begin() + 7));
}

TEST_F(NativeChannelTest, ReadExactPastTheEndSaysWhatAndWhere) {
  const FileHandle file = Add(std::vector<std::byte>(196616));
  std::vector<std::byte> out(32);

  const Status status = ReadExact(io_, file, 0x30000, out, "the L1 table");

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_EQ(status.message(),
            "the L1 table at 0x30000 (32 bytes) reaches past the end of the file (196616 bytes); "
            "the file is truncated or damaged");
  EXPECT_EQ(ReadExact(io_, file, UINT64_MAX, out, "it").code(), Code::kCorruptImage);
}

TEST_F(NativeChannelTest, ReadExactNoticesAFileThatShrinks) {
  const FileHandle file = Add(std::vector<std::byte>(1000));
  ASSERT_TRUE(io_.SetSize(file.slot, 10).ok());
  std::vector<std::byte> out(20);

  EXPECT_EQ(ReadExact(io_, file, 0, out, "it").code(), Code::kCorruptImage);
}

TEST_F(NativeChannelTest, WriteAllCrossesBuffers) {
  const FileHandle file = Add({});
  const std::vector<std::byte> bytes(2 * kBufferSize + 1, std::byte{3});

  ASSERT_TRUE(WriteAll(io_, file.slot, 10, bytes, "data").ok());

  EXPECT_EQ(memory_->bytes().size(), bytes.size() + 10);
  EXPECT_EQ(memory_->bytes().back(), std::byte{3});
}

TEST_F(NativeChannelTest, FaultsBecomeErrorsThatSayWhatFailed) {
  const FileHandle file = Add(std::vector<std::byte>(100));
  IoResult fault;
  files_.set_fault_hook([&](const NativeRequest&) { return fault; });
  std::vector<std::byte> data(10);
  const auto write = [&] { return WriteAll(io_, file.slot, 0, data, "the L1 table"); };

  fault = {.status = IoStatus::kIoError, .value = 5};
  EXPECT_EQ(write().message(), "cannot write the L1 table at 0x0: input/output error (errno 5)");
  EXPECT_EQ(write().code(), Code::kIo);
  fault = {.status = IoStatus::kNoSpace};
  EXPECT_EQ(write().code(), Code::kIo);
  fault = {.status = IoStatus::kQuota};
  EXPECT_EQ(write().code(), Code::kLimit);
  EXPECT_EQ(ReadExact(io_, file, 0, data, "it").code(), Code::kLimit);
}

TEST_F(NativeChannelTest, RequestsRunInOrderAndNotBeforeTheyAreWaitedFor) {
  const FileHandle file = Add(std::vector<std::byte>(100, std::byte{1}));
  const ScopedBuffer buffer(io_);
  buffer.data()[0] = std::byte{9};
  buffer.data()[1] = std::byte{8};
  const auto write = io_.SubmitWrite(file.slot, 0, buffer.span().first(1));
  const auto read = io_.SubmitRead(file.slot, 0, buffer.span().subspan(1, 1));
  EXPECT_EQ(memory_->bytes()[0], std::byte{1});
  EXPECT_EQ(buffer.data()[1], std::byte{8});

  EXPECT_EQ(io_.Wait(read).value, 1u);

  EXPECT_EQ(memory_->bytes()[0], std::byte{9});
  EXPECT_EQ(buffer.data()[1], std::byte{9});
  EXPECT_TRUE(io_.Wait(write).ok());
}

TEST_F(NativeChannelTest, ReferencesAreRefusedUnlessAllowed) {
  const FileHandle file = Add({});
  EXPECT_EQ(io_.OpenReference(file.slot, ReferenceKind::kBackingFile, "x").status,
            IoStatus::kRefused);
  files_.set_reference_opener([](uint32_t, ReferenceKind, std::string_view) {
    return NativeFiles::Opened{.status = IoStatus::kOk,
                               .file = std::make_unique<MemoryFile>(std::vector<std::byte>(42))};
  });

  const IoResult opened = io_.OpenReference(file.slot, ReferenceKind::kBackingFile, "x");

  EXPECT_EQ(opened.value, file.slot + 1);
  EXPECT_EQ(opened.value2, 42u);
}

TEST_F(NativeChannelTest, AJudgeSaysWhetherToProceed) {
  const FileHandle file = Add({});
  const ScopedBuffer buffer(io_);
  EXPECT_EQ(io_.Proceed(file.slot, buffer.span().first(3)).status, IoStatus::kRefused);
  size_t judged = 0;
  files_.set_judge([&](uint32_t /*slot*/, std::span<const std::byte> report) {
    judged = report.size();
    return IoStatus::kOk;
  });

  EXPECT_TRUE(io_.Proceed(file.slot, buffer.span().first(3)).ok());

  EXPECT_EQ(judged, 3u);
}

TEST_F(NativeChannelDeathTest, BreachesOfTheContractAbort) {
  const FileHandle file = Add(std::vector<std::byte>(100));
  std::byte* const buffer = io_.buffer(0);
  std::vector<std::byte> outside(10);

  EXPECT_DEATH(io_.SubmitRead(file.slot, 0, outside), "outside the channel's buffers");
  EXPECT_DEATH(io_.SubmitRead(file.slot, 0, {buffer + kBufferSize - 1, 2}), "leaves its buffer");
  EXPECT_DEATH(io_.SubmitRead(file.slot, 0, {buffer, 0}), "empty request");
  EXPECT_DEATH(io_.Wait(1), "not outstanding");
  EXPECT_DEATH(io_.Flush(77), "unknown slot");
  EXPECT_DEATH(
      {
        io_.SubmitRead(file.slot, 0, {buffer, 10});
        io_.SubmitRead(file.slot, 0, {buffer + 9, 10});
      },
      "two requests at once");
  EXPECT_DEATH(
      {
        const auto ticket = io_.SubmitRead(file.slot, 0, {buffer, 10});
        io_.Wait(ticket);
        io_.Wait(ticket);
      },
      "not outstanding");
  EXPECT_DEATH(
      {
        for (uint32_t i = 0; i <= IoChannel::kMaxInFlight; ++i) {
          io_.SubmitWriteZeroes(file.slot, 0, 1);
        }
      },
      "too many requests in flight");
  EXPECT_DEATH(
      {
        for (int i = 0; i < 5; ++i) io_.AcquireBuffer();
      },
      "no buffer is left");
  EXPECT_DEATH(io_.CutBuffers(2 * kBufferSize), "a bad buffer size");
  EXPECT_DEATH(
      {
        io_.AcquireBuffer();
        io_.CutBuffers(kBufferSize);
      },
      "while one is taken");
  EXPECT_DEATH(
      {
        NativeChannel other(files_);
        other.SubmitWriteZeroes(file.slot, 0, 1);
      },
      "never waited for");
}

class CountLanes : public Lanes::Body {
 public:
  void Run(uint32_t lane, IoChannel& io) override {
    seen_ |= 1u << lane;
    const ScopedBuffer buffer(io);
  }
  uint32_t seen() const { return seen_; }

 private:
  std::atomic<uint32_t> seen_ = 0;
};

TEST(NativeLanesTest, EveryLaneRunsOnceWithAChannelOfItsOwn) {
  NativeFiles files;
  NativeLanes lanes(files, 5);
  CountLanes body;

  lanes.RunOnAll(body);

  EXPECT_EQ(body.seen(), 0b11111u);
}

}  // namespace
}  // namespace hotcell::guest
