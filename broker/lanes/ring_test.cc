#include "broker/lanes/ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <thread>

#include "broker/workers/shared_memory.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

// A lane's shared memory with the guest's side of it.
struct SharedLane {
  abi::LaneControl control{};
  abi::Submission submissions[abi::kRingEntries]{};
  abi::Completion completions[abi::kRingEntries]{};

  LaneRing MakeRing() { return LaneRing(&control, submissions, completions); }
  void Submit(const abi::Submission& submission) {
    const uint32_t tail = control.sq_tail;
    submissions[tail % abi::kRingEntries] = submission;
    StoreShared(&control.sq_tail, tail + 1, std::memory_order_release);
  }
};

abi::Submission Read(uint64_t user_data) {
  return {
      .opcode = static_cast<uint32_t>(abi::Opcode::kRead), .length = 4096, .user_data = user_data};
}

TEST(LaneRingTest, TakesRequestsInOrderAndThenNothing) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  lane.Submit(Read(1));
  lane.Submit(Read(2));
  EXPECT_EQ((*ring.Take())->user_data, 1u);
  EXPECT_EQ((*ring.Take())->user_data, 2u);
  EXPECT_EQ(*ring.Take(), std::nullopt);
  EXPECT_EQ(lane.control.sq_head, 2u);
}

TEST(LaneRingTest, IndicesWrapAroundTheWholeWord) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  for (uint64_t i = 0; i < 3 * abi::kRingEntries + 5; ++i) {
    lane.Submit(Read(i));
    ASSERT_EQ((*ring.Take())->user_data, i);
    ASSERT_TRUE(ring.Post({.user_data = i}).ok());
    EXPECT_EQ(lane.completions[i % abi::kRingEntries].user_data, i);
    lane.control.cq_head = lane.control.cq_tail;
  }
}

TEST(LaneRingTest, AFullRingIsFineOneMoreIsNot) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  lane.control.sq_tail = abi::kRingEntries;
  EXPECT_TRUE(ring.Take().ok());
  lane.control.sq_tail = abi::kRingEntries + 2;
  EXPECT_THAT(ring.Take().status().message(),
              HasSubstr("129 requests in a submission ring of 128"));
}

TEST(LaneRingTest, ATailThatGoesBackIsRefused) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  lane.Submit(Read(1));
  ASSERT_TRUE(ring.Take().ok());
  lane.control.sq_tail = 0;
  EXPECT_EQ(ring.Take().status().code(), absl::StatusCode::kInternal);
}

TEST(LaneRingTest, CompletionsTheGuestDoesNotTakeEndTheJob) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  for (uint32_t i = 0; i < abi::kRingEntries; ++i) ASSERT_TRUE(ring.Post({}).ok());
  EXPECT_THAT(ring.Post({}).status().message(), HasSubstr("no room in a completion ring"));
}

TEST(LaneRingTest, ACompletionHeadAheadOfTheTailIsRefused) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  lane.control.cq_head = 1;
  EXPECT_FALSE(ring.Post({}).ok());
}

TEST(LaneRingTest, AsksForAWakeOnlyWhenTheGuestWaits) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  EXPECT_FALSE(*ring.Post({}));
  lane.control.guest_waiting = 1;
  EXPECT_TRUE(*ring.Post({}));
}

TEST(LaneRingTest, LetsTheGuestSleepUntilTheCompletionItWaitsFor) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  lane.control.guest_waiting = 1;
  lane.control.wake_at = 3;
  EXPECT_FALSE(*ring.Post({}));
  EXPECT_FALSE(*ring.Post({}));
  EXPECT_TRUE(*ring.Post({}));
  EXPECT_TRUE(*ring.Post({}));
}

TEST(LaneRingTest, StopPollingSeesARequestThatCameWithoutDoorbell) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  ring.StartPolling();
  EXPECT_EQ(lane.control.broker_polling, 1u);
  EXPECT_FALSE(ring.StopPolling());
  EXPECT_EQ(lane.control.broker_polling, 0u);
  ring.StartPolling();
  lane.Submit(Read(1));
  EXPECT_TRUE(ring.StopPolling());
}

constexpr uint64_t kMaxTransfer = 1 << 20;

struct BadSubmission {
  const char* name;
  abi::Submission submission;
  const char* expected;
};

class CheckSubmissionTest : public testing::TestWithParam<BadSubmission> {};

TEST_P(CheckSubmissionTest, IsRefusedWithThePreciseReason) {
  const absl::Status status = CheckSubmission(GetParam().submission, kMaxTransfer);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    All, CheckSubmissionTest,
    testing::Values(
        BadSubmission{"OpcodeZero", {.opcode = 0}, "unknown opcode (0x0)"},
        BadSubmission{"OpcodeEleven", {.opcode = 11}, "unknown opcode"},
        BadSubmission{"ProceedWithNothing", {.opcode = 10}, "the length is not within a buffer"},
        BadSubmission{
            "ProceedWithTooMuch", {.opcode = 10, .length = kMaxTransfer + 1}, "the length is not"},
        BadSubmission{
            "ProceedWithOffset", {.opcode = 10, .offset = 1, .length = 8}, "an offset is not used"},
        BadSubmission{"OpcodeHuge", {.opcode = UINT32_MAX}, "unknown opcode"},
        BadSubmission{"Reserved0", {.opcode = 1, .length = 1, .reserved0 = 1}, "reserved0"},
        BadSubmission{"SourceSlot", {.opcode = 1, .length = 1, .source_slot = 1}, "source slot"},
        BadSubmission{
            "SourceOffset", {.opcode = 3, .length = 1, .source_offset = 1}, "source offset"},
        BadSubmission{"ReadNothing", {.opcode = 1}, "length"},
        BadSubmission{"ReadTooMuch", {.opcode = 1, .length = kMaxTransfer + 1}, "length"},
        BadSubmission{"WriteTooMuch", {.opcode = 2, .length = UINT64_MAX}, "overflows"},
        BadSubmission{
            "OffsetBeyondOffT", {.opcode = 1, .offset = 1ull << 63, .length = 1}, "overflows"},
        BadSubmission{"SumOverflows", {.opcode = 3, .offset = INT64_MAX, .length = 1}, "overflows"},
        BadSubmission{"ReadFlags", {.opcode = 1, .length = 1, .flags = 1}, "flags"},
        BadSubmission{"ZeroesNothing", {.opcode = 3}, "length is zero"},
        BadSubmission{"ZeroesWithBuffer", {.opcode = 3, .length = 1, .buffer = 1}, "buffer"},
        BadSubmission{"StatusOfNothing", {.opcode = 4, .buffer = 1}, "length is zero"},
        BadSubmission{"FlushWithOffset", {.opcode = 5, .offset = 1}, "offset"},
        BadSubmission{"FlushWithLength", {.opcode = 5, .length = 1}, "length"},
        BadSubmission{"SetSizeWithLength", {.opcode = 6, .length = 1}, "length"},
        BadSubmission{"NameEmpty", {.opcode = 7, .flags = 1}, "name's length"},
        BadSubmission{"NameLong", {.opcode = 7, .length = 4097, .flags = 1}, "name's length"},
        BadSubmission{"KindZero", {.opcode = 7, .length = 1}, "reference kind"},
        BadSubmission{"KindFive", {.opcode = 7, .length = 1, .flags = 5}, "reference kind"},
        BadSubmission{"ExtentWithLength", {.opcode = 9, .length = 1}, "length"},
        BadSubmission{"ExtentWithBuffer", {.opcode = 9, .buffer = 1}, "buffer"},
        BadSubmission{"ExtentFlags", {.opcode = 9, .flags = 1}, "flags"},
        BadSubmission{"CopyNothing", {.opcode = 8}, "length"},
        BadSubmission{"CopyTooMuch", {.opcode = 8, .length = abi::kMaxCopy + 1}, "length"},
        BadSubmission{"CopyWithBuffer", {.opcode = 8, .length = 1, .buffer = 1}, "buffer"},
        BadSubmission{"CopyFlags", {.opcode = 8, .length = 1, .flags = 1}, "flags"},
        BadSubmission{
            "CopySlotHuge", {.opcode = 8, .length = 1, .source_slot = 1ull << 32}, "source slot"},
        BadSubmission{"CopySourceBeyondOffT",
                      {.opcode = 8, .length = 1, .source_offset = INT64_MAX},
                      "source offset + length overflows"},
        BadSubmission{"CopySourceHuge",
                      {.opcode = 8, .length = 1, .source_offset = UINT64_MAX},
                      "source offset + length overflows"},
        BadSubmission{
            "CopyTargetBeyondOffT", {.opcode = 8, .offset = INT64_MAX, .length = 1}, "overflows"}),
    [](const auto& test) { return test.param.name; });

TEST(CheckSubmissionTest, AcceptsEachOpcode) {
  EXPECT_TRUE(CheckSubmission({.opcode = 1, .length = kMaxTransfer}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 2, .offset = 5, .length = 1}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 3, .length = INT64_MAX}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 4, .length = INT64_MAX}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 5}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 6, .offset = INT64_MAX}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 7, .length = 9, .flags = 4}, kMaxTransfer).ok());
  EXPECT_TRUE(CheckSubmission({.opcode = 8,
                               .length = abi::kMaxCopy,
                               .source_slot = UINT32_MAX,
                               .source_offset = INT64_MAX - abi::kMaxCopy},
                              kMaxTransfer)
                  .ok());
}

// The guest rewrites the entry between a small and a huge length, and a word that has to be
// zero. Whatever mix the broker takes, what it checked is what it has.
TEST(LaneRingTest, AGuestThatFlipsFieldsCannotChangeACheckedRequest) {
  SharedLane lane;
  LaneRing ring = lane.MakeRing();
  std::atomic<bool> stop = false;
  std::thread guest([&] {
    auto* words = reinterpret_cast<uint64_t*>(lane.submissions);
    std::minstd_rand random(1);
    while (!stop.load(std::memory_order_relaxed)) {
      for (uint32_t entry = 0; entry < abi::kRingEntries; ++entry) {
        uint64_t* fields = &words[entry * 8];
        StoreShared(&fields[0], random() % 2 == 0 ? 1 : 99);             // opcode, slot
        StoreShared(&fields[2], random() % 2 == 0 ? 4096 : UINT64_MAX);  // length
        StoreShared(&fields[6], random() % 4 == 0 ? 1 : 0);              // source_slot
      }
    }
  });
  uint64_t accepted = 0;
  uint64_t refused = 0;
  for (int round = 0; round < 200000; ++round) {
    StoreShared(&lane.control.sq_tail, lane.control.sq_tail + 1, std::memory_order_release);
    const auto taken = ring.Take();
    ASSERT_TRUE(taken.ok() && taken->has_value());
    const abi::Submission& copy = **taken;
    if (CheckSubmission(copy, kMaxTransfer).ok()) {
      ++accepted;
      ASSERT_EQ(copy.length, 4096u);
      ASSERT_EQ(copy.opcode, 1u);
    } else {
      ++refused;
    }
  }
  stop = true;
  guest.join();
  EXPECT_GT(accepted, 0u);
  EXPECT_GT(refused, 0u);
}

// Indices that jump at random either yield a request or an error, never a read outside the ring
// (checked by the sanitizers' preset) and never an endless run of requests.
TEST(LaneRingTest, IndicesThatJumpAtRandomEndInAnError) {
  std::minstd_rand random(7);
  for (int round = 0; round < 1000; ++round) {
    SharedLane lane;
    LaneRing ring = lane.MakeRing();
    int requests = 0;
    while (requests < 10000) {
      lane.control.sq_tail = static_cast<uint32_t>(random());
      lane.control.cq_head = static_cast<uint32_t>(random());
      const auto taken = ring.Take();
      if (!taken.ok() || !ring.Post({}).ok()) break;
      ++requests;
    }
    EXPECT_LT(requests, 10000);
  }
}

}  // namespace
}  // namespace hotcell::broker
