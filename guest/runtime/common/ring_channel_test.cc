#include "guest/runtime/common/ring_channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <thread>

#include "base/alignment.h"
#include "guest/runtime/native/thread_port.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kBufferSize = 64 << 10;
constexpr uint32_t kBuffers = 4;
constexpr uint64_t kBuffersOffset = 4096 + abi::kLaneStride * 2;

// An arena of two lanes in plain memory whose ring indices begin at `start`.
class TestArena {
 public:
  explicit TestArena(uint32_t start) {
    header() = {.magic = abi::kArenaMagic,
                .version = abi::kVersion,
                .lane_count = 2,
                .arena_size = kSize,
                .lanes_offset = 4096,
                .lane_stride = abi::kLaneStride,
                .buffers_offset = kBuffersOffset,
                .buffer_size = kBufferSize,
                .buffers_per_lane = kBuffers,
                .ring_entries = abi::kRingEntries};
    for (uint32_t lane = 0; lane < 2; ++lane) {
      control(lane) = {.sq_tail = start, .cq_head = start, .sq_head = start, .cq_tail = start};
    }
  }

  abi::ArenaHeader& header() { return *reinterpret_cast<abi::ArenaHeader*>(bytes()); }
  abi::LaneControl& control(uint32_t lane) {
    return *reinterpret_cast<abi::LaneControl*>(bytes() + 4096 + lane * abi::kLaneStride);
  }
  abi::Submission& submission(uint32_t lane, uint32_t index) {
    return reinterpret_cast<abi::Submission*>(
        reinterpret_cast<std::byte*>(&control(lane)) +
        abi::kSubmissionRingOffset)[index % abi::kRingEntries];
  }
  abi::Completion& completion(uint32_t lane, uint32_t index) {
    return reinterpret_cast<abi::Completion*>(
        reinterpret_cast<std::byte*>(&control(lane)) +
        abi::kCompletionRingOffset)[index % abi::kRingEntries];
  }
  std::byte* bytes() { return memory_.get(); }

 private:
  static constexpr uint64_t kSize = kBuffersOffset + 2ull * kBuffers * kBufferSize;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_{
      static_cast<std::byte*>(std::aligned_alloc(4096, AlignUp(kSize, 4096)))};
};

// A broker of one lane: answers each request with its offset in `result` and its length in
// `result2`, and fills the buffer of a read with the low byte of its offset. Stepped by the test or
// run on a thread, by the rules of docs/guest-abi.md.
class TestBroker {
 public:
  TestBroker(TestArena& arena, uint32_t lane, LanePort& port)
      : arena_(arena),
        lane_(lane),
        port_(port),
        taken_(arena.control(lane).sq_head),
        posted_(arena.control(lane).cq_tail) {}

  bool Pending() { return Word(arena_.control(lane_).sq_tail).load() != taken_; }

  void ServeOne() {
    const abi::Submission entry = arena_.submission(lane_, taken_);
    Word(arena_.control(lane_).sq_head).store(++taken_);
    if (entry.opcode == static_cast<uint32_t>(abi::Opcode::kRead)) {
      std::memset(arena_.bytes() + entry.buffer, static_cast<int>(entry.offset), entry.length);
    }
    Post({.user_data = entry.user_data, .result = entry.offset, .result2 = entry.length});
    last_ = entry;
  }

  void Post(const abi::Completion& completion) {
    arena_.completion(lane_, posted_) = completion;
    Word(arena_.control(lane_).cq_tail).store(++posted_);
    if (Word(arena_.control(lane_).guest_waiting).load() == 0) return;
    const uint32_t missing = Word(arena_.control(lane_).wake_at).load() - posted_;
    if (missing == 0 || missing > abi::kRingEntries) port_.Wake(lane_);
  }

  void Poll(bool polling) { Word(arena_.control(lane_).broker_polling).store(polling ? 1 : 0); }

  // Serves until `requests` have been, looking `polls` times before it sleeps on the bell.
  void Run(ThreadPort& port, uint64_t requests, uint32_t polls) {
    for (uint64_t served = 0; served < requests;) {
      Poll(true);
      for (uint32_t i = 0; i <= polls; ++i) {
        for (; Pending(); ++served) ServeOne();
      }
      Poll(false);
      if (served < requests && !Pending()) port.AwaitDoorbell(lane_);
    }
  }

  const abi::Submission& last() const { return last_; }

 private:
  static std::atomic_ref<uint32_t> Word(uint32_t& word) { return std::atomic_ref<uint32_t>(word); }

  TestArena& arena_;
  const uint32_t lane_;
  LanePort& port_;
  uint32_t taken_;
  uint32_t posted_;
  abi::Submission last_ = {};
};

// Lane 1 of an arena, with a broker that the test steps.
class RingChannelTest : public testing::Test {
 protected:
  static constexpr uint32_t kLane = 1;
  TestArena arena_{0};
  ThreadPort port_;
  RingChannel io_{arena_.header(), kLane, port_, 1};
  TestBroker broker_{arena_, kLane, port_};

  std::span<std::byte> Buffer(size_t index) { return {io_.buffer(index), kBufferSize}; }
};

TEST_F(RingChannelTest, ASubmissionSaysWhatWasAsked) {
  const auto ticket = io_.SubmitWrite(7, 0x123456789a, Buffer(2).subspan(512, 1024));
  broker_.ServeOne();
  EXPECT_EQ(broker_.last().opcode, static_cast<uint32_t>(abi::Opcode::kWrite));
  EXPECT_EQ(broker_.last().slot, 7u);
  EXPECT_EQ(broker_.last().offset, 0x123456789au);
  EXPECT_EQ(broker_.last().length, 1024u);
  EXPECT_EQ(broker_.last().buffer, kBuffersOffset + (kLane * kBuffers + 2) * kBufferSize + 512);
  EXPECT_EQ(broker_.last().flags, 0u);
  EXPECT_EQ(io_.Wait(ticket).value2, 1024u);
}

TEST_F(RingChannelTest, ResultsFindTheirTicketsInAnyOrderOfWaiting) {
  std::deque<std::pair<IoChannel::Ticket, uint64_t>> tickets;
  for (uint64_t i = 0; i < 10; ++i) tickets.emplace_back(io_.SubmitWriteZeroes(0, i, 1), i);
  while (broker_.Pending()) broker_.ServeOne();
  std::shuffle(tickets.begin(), tickets.end(), std::minstd_rand(1));
  for (const auto& [ticket, offset] : tickets) EXPECT_EQ(io_.Wait(ticket).value, offset);
}

TEST_F(RingChannelTest, AFailureIsPassedOn) {
  const auto ticket = io_.SubmitWriteZeroes(0, 0, 1);
  broker_.Post({.user_data = arena_.submission(kLane, 0).user_data,
                .result = 28,
                .status = static_cast<uint32_t>(IoStatus::kNoSpace)});
  const IoResult result = io_.Wait(ticket);
  EXPECT_EQ(result.status, IoStatus::kNoSpace);
  EXPECT_EQ(result.value, 28u);
}

TEST_F(RingChannelTest, RingsOnceForABatchThatTheBrokerHasNotBegun) {
  for (int i = 0; i < 8; ++i) io_.SubmitWriteZeroes(0, 0, 1);
  EXPECT_EQ(port_.doorbells(kLane), 1u);
}

TEST_F(RingChannelTest, RingsAgainWhenTheBrokerHasTakenEntriesAndSleeps) {
  io_.SubmitWriteZeroes(0, 0, 1);
  broker_.ServeOne();
  io_.SubmitWriteZeroes(0, 0, 1);
  EXPECT_EQ(port_.doorbells(kLane), 2u);
}

TEST_F(RingChannelTest, DoesNotRingWhileTheBrokerPolls) {
  broker_.Poll(true);
  io_.SubmitWriteZeroes(0, 0, 1);
  EXPECT_EQ(port_.doorbells(kLane), 0u);
  broker_.Poll(false);
  broker_.ServeOne();
  io_.SubmitWriteZeroes(0, 0, 1);
  EXPECT_EQ(port_.doorbells(kLane), 1u);
}

TEST_F(RingChannelTest, SleepsUntilTheCompletionItWaitsForAndNotForEarlierOnes) {
  io_.SubmitWriteZeroes(0, 1, 1);
  io_.SubmitWriteZeroes(0, 2, 1);
  const auto last = io_.SubmitWriteZeroes(0, 3, 1);
  std::thread broker([this] {
    while (port_.waits() == 0) std::this_thread::yield();
    for (int i = 0; i < 3; ++i) broker_.ServeOne();
  });
  EXPECT_EQ(io_.Wait(last).value, 3u);
  broker.join();
  EXPECT_EQ(arena_.control(kLane).wake_at, 3u);
  EXPECT_EQ(port_.waits(), 1u);
}

TEST_F(RingChannelTest, AReferenceTravelsAsANameInABuffer) {
  std::thread broker([this] { broker_.Run(port_, 1, 0); });
  const IoResult result = io_.OpenReference(3, ReferenceKind::kBackingFile, "base.img");
  broker.join();
  EXPECT_EQ(result.value2, 8u);
  EXPECT_EQ(broker_.last().slot, 3u);
  EXPECT_EQ(broker_.last().flags, static_cast<uint32_t>(ReferenceKind::kBackingFile));
  EXPECT_EQ(std::memcmp(arena_.bytes() + broker_.last().buffer, "base.img", 8), 0);
}

TEST_F(RingChannelTest, WhatWasFoundTravelsInABuffer) {
  std::thread broker([this] { broker_.Run(port_, 1, 0); });
  EXPECT_TRUE(io_.Proceed(3, Buffer(1).first(100)).ok());
  broker.join();
  EXPECT_EQ(broker_.last().opcode, static_cast<uint32_t>(abi::Opcode::kProceed));
  EXPECT_EQ(broker_.last().slot, 3u);
  EXPECT_EQ(broker_.last().length, 100u);
  EXPECT_EQ(broker_.last().buffer, kBuffersOffset + (kLane * kBuffers + 1) * kBufferSize);
}

TEST_F(RingChannelTest, ANameTooLongToAskForIsRefusedUnasked) {
  const std::string name(abi::kMaxReferenceName + 1, 'x');
  EXPECT_EQ(io_.OpenReference(0, ReferenceKind::kBackingFile, name).status, IoStatus::kRefused);
  EXPECT_EQ(io_.OpenReference(0, ReferenceKind::kBackingFile, "").status, IoStatus::kRefused);
  EXPECT_FALSE(broker_.Pending());
}

TEST_F(RingChannelTest, HandsOutEachBufferOnceAndTheLastReleasedFirst) {
  std::byte* buffers[kBuffers];
  for (auto& buffer : buffers) buffer = io_.AcquireBuffer();
  std::sort(std::begin(buffers), std::end(buffers));
  for (size_t i = 0; i < kBuffers; ++i) EXPECT_EQ(buffers[i], io_.buffer(i));
  io_.ReleaseBuffer(buffers[1]);
  io_.ReleaseBuffer(buffers[3]);
  EXPECT_EQ(io_.AcquireBuffer(), buffers[3]);
}

TEST_F(RingChannelTest, CutsItsMemoryIntoSmallerBuffers) {
  const size_t size = io_.buffer_size() / 4;
  const std::byte* const memory = io_.buffer(0);
  io_.CutBuffers(size);
  EXPECT_EQ(io_.buffer_size(), size);
  ASSERT_EQ(io_.buffer_count(), 4 * kBuffers);
  for (size_t i = 0; i < io_.buffer_count(); ++i) {
    EXPECT_EQ(io_.AcquireBuffer(), memory + i * size);
  }
}

using RingChannelDeathTest = RingChannelTest;

TEST_F(RingChannelDeathTest, PanicsOnACutThatIsNone) {
  EXPECT_DEATH(io_.CutBuffers(io_.buffer_size() - 1), "ring_channel.cc:.*has_single_bit");
  EXPECT_DEATH(io_.CutBuffers(2 * io_.buffer_size()), "ring_channel.cc:.*buffer_size_");
  io_.AcquireBuffer();
  EXPECT_DEATH(io_.CutBuffers(io_.buffer_size()), "ring_channel.cc:.*free_buffers_");
}

TEST_F(RingChannelDeathTest, PanicsWhenTooManyAreInFlight) {
  for (uint32_t i = 0; i < IoChannel::kMaxInFlight; ++i) io_.SubmitWriteZeroes(0, 0, 1);
  EXPECT_DEATH(io_.SubmitWriteZeroes(0, 0, 1), "ring_channel.cc:.*free_requests_");
}

TEST_F(RingChannelDeathTest, PanicsOnDataOutsideABuffer) {
  std::byte elsewhere[16];
  EXPECT_DEATH(io_.SubmitRead(0, 0, elsewhere), "ring_channel.cc");
  EXPECT_DEATH(io_.SubmitRead(0, 0, {io_.buffer(1) + 1, kBufferSize}), "ring_channel.cc");
  EXPECT_DEATH(io_.SubmitRead(0, 0, {io_.buffer(0), size_t{0}}), "ring_channel.cc");
  EXPECT_DEATH(io_.SubmitRead(0, 0, {io_.buffer(0) + kBuffers * kBufferSize, 16}),
               "ring_channel.cc");
}

TEST_F(RingChannelDeathTest, PanicsOnACompletionOfNothing) {
  const auto ticket = io_.SubmitWriteZeroes(0, 0, 1);
  broker_.Post({.user_data = 5});
  EXPECT_DEATH(io_.Wait(ticket), "ring_channel.cc:.*kPending");
  arena_.completion(kLane, 0).user_data = 1000;
  EXPECT_DEATH(io_.Wait(ticket), "ring_channel.cc:.*kMaxInFlight");
}

TEST_F(RingChannelDeathTest, PanicsWhenATicketIsWaitedForTwice) {
  const auto ticket = io_.SubmitWriteZeroes(0, 0, 1);
  broker_.ServeOne();
  EXPECT_TRUE(io_.Wait(ticket).ok());
  EXPECT_DEATH(io_.Wait(ticket), "ring_channel.cc:.*kFree");
}

TEST_F(RingChannelDeathTest, PanicsOnAHeaderWhoseLanesAreNotThere) {
  EXPECT_DEATH(RingChannel(arena_.header(), 2, port_), "lane_count");
  arena_.header().buffers_per_lane = 1000;
  EXPECT_DEATH(RingChannel(arena_.header(), 0, port_), "arena_size");
}

// Many requests against a broker on a thread of its own. A lost wake-up hangs until ctest's
// timeout.
struct Traffic {
  uint32_t start;         // of the ring indices
  uint32_t in_flight;     // at most
  uint32_t guest_spins;   // before it sleeps
  uint32_t broker_polls;  // before it sleeps
};

class RingTrafficTest : public testing::TestWithParam<Traffic> {};

TEST_P(RingTrafficTest, EveryRequestIsAnsweredOnceAndTheDataIsThere) {
  constexpr uint64_t kRequests = 30'000;
  TestArena arena(GetParam().start);
  ThreadPort port;
  RingChannel io(arena.header(), 0, port, GetParam().guest_spins);
  TestBroker broker(arena, 0, port);
  std::thread thread([&] { broker.Run(port, kRequests, GetParam().broker_polls); });

  constexpr size_t kPiece = 64;
  struct Outstanding {
    IoChannel::Ticket ticket;
    uint64_t offset;
    std::byte* data;
  };
  std::deque<Outstanding> outstanding;
  const auto finish = [&] {
    const Outstanding request = outstanding.front();
    outstanding.pop_front();
    ASSERT_EQ(io.Wait(request.ticket).value, request.offset);
    ASSERT_EQ(request.data[0], static_cast<std::byte>(request.offset));
    ASSERT_EQ(request.data[kPiece - 1], static_cast<std::byte>(request.offset));
  };
  for (uint64_t offset = 0; offset < kRequests; ++offset) {
    if (outstanding.size() == GetParam().in_flight) finish();
    std::byte* const data = io.buffer(0) + offset % IoChannel::kMaxInFlight * kPiece;
    outstanding.push_back({io.SubmitRead(0, offset, {data, kPiece}), offset, data});
  }
  while (!outstanding.empty()) finish();
  thread.join();
  EXPECT_EQ(arena.control(0).sq_tail, GetParam().start + static_cast<uint32_t>(kRequests));
  EXPECT_EQ(arena.control(0).cq_head, GetParam().start + static_cast<uint32_t>(kRequests));
}

INSTANTIATE_TEST_SUITE_P(
    , RingTrafficTest,
    testing::Values(
        Traffic{.start = 0, .in_flight = 1, .guest_spins = 0, .broker_polls = 0},
        Traffic{.start = 0, .in_flight = 8, .guest_spins = 0, .broker_polls = 0},
        Traffic{.start = 0, .in_flight = 64, .guest_spins = 50, .broker_polls = 20},
        Traffic{.start = 0xffff'fff0, .in_flight = 1, .guest_spins = 10, .broker_polls = 10},
        Traffic{.start = 0xffff'ffc5, .in_flight = 64, .guest_spins = 0, .broker_polls = 3}));

}  // namespace
}  // namespace hotcell::guest
