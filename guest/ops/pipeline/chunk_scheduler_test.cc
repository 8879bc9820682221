#include "guest/ops/pipeline/chunk_scheduler.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

// Notes the order in which it is asked, and fails at one chunk.
class RecordingWriter : public ImageWriter {
 public:
  explicit RecordingWriter(bool ordered, uint64_t fail_at = UINT64_MAX)
      : ordered_(ordered), fail_at_(fail_at) {}

  WriterTraits traits() const override { return {.ordered = ordered_}; }
  Status Place(IoChannel& /*io*/, Chunk& chunk) override {
    if (chunk.offset == fail_at_) return Unsupported("this chunk");
    placed.push_back(chunk.offset);
    return OkStatus();
  }
  Status Finish(IoChannel& /*io*/) override { return OkStatus(); }

  std::vector<uint64_t> placed;

 private:
  const bool ordered_;
  const uint64_t fail_at_;
};

class ChunkSchedulerTest : public testing::Test {
 protected:
  void Offer(ChunkScheduler& scheduler, ChunkScheduler::Part& part,
             const ChunkScheduler::Ticket& ticket) {
    part.number = ticket.number;
    part.chunk.offset = ticket.offset;
    scheduler.Offer(io_, part);
  }

  NativeFiles files_;
  NativeChannel io_{files_};
};

TEST_F(ChunkSchedulerTest, CutsTheDiskIntoChunksAndAShorterLastOne) {
  RecordingWriter writer(true);
  ChunkScheduler scheduler(writer, 2500, 1024);
  const auto first = scheduler.Take();
  const auto second = scheduler.Take();
  const auto third = scheduler.Take();
  EXPECT_EQ(first->offset, 0u);
  EXPECT_EQ(second->offset, 1024u);
  EXPECT_EQ(third->offset, 2048u);
  EXPECT_EQ(third->length, 452u);
  EXPECT_EQ(third->number, 2u);
  EXPECT_FALSE(scheduler.Take());
}

TEST_F(ChunkSchedulerTest, GivesZeroesInWholeChunksOrToTheEnd) {
  RecordingWriter writer(true);
  ChunkScheduler scheduler(writer, 10000, 1024);
  scheduler.Take();
  EXPECT_FALSE(scheduler.TakeZeroes(2047));
  const auto some = scheduler.TakeZeroes(5000);
  EXPECT_EQ(some->offset, 1024u);
  EXPECT_EQ(some->length, 3072u);
  EXPECT_FALSE(scheduler.TakeZeroes(4096));
  const auto rest = scheduler.TakeZeroes(10000);
  EXPECT_EQ(rest->offset + rest->length, 10000u);
  EXPECT_FALSE(scheduler.Take());
}

TEST_F(ChunkSchedulerTest, PlacesInOrderWhateverTheOrderOfOffers) {
  RecordingWriter writer(true);
  ChunkScheduler scheduler(writer, 4096, 1024);
  std::array<ChunkScheduler::Part, 4> parts;
  std::array<ChunkScheduler::Ticket, 4> tickets;
  for (auto& ticket : tickets) ticket = *scheduler.Take();
  Offer(scheduler, parts[2], tickets[2]);
  Offer(scheduler, parts[1], tickets[1]);
  EXPECT_FALSE(parts[1].placed);
  Offer(scheduler, parts[0], tickets[0]);
  EXPECT_TRUE(parts[2].placed);
  Offer(scheduler, parts[3], tickets[3]);
  EXPECT_EQ(writer.placed, (std::vector<uint64_t>{0, 1024, 2048, 3072}));
}

TEST_F(ChunkSchedulerTest, PlacesAtOnceWhereOrderDoesNotMatter) {
  RecordingWriter writer(false);
  ChunkScheduler scheduler(writer, 2048, 1024);
  std::array<ChunkScheduler::Part, 2> parts;
  const auto first = *scheduler.Take();
  const auto second = *scheduler.Take();
  Offer(scheduler, parts[1], second);
  EXPECT_TRUE(parts[1].placed);
  Offer(scheduler, parts[0], first);
  EXPECT_EQ(writer.placed, (std::vector<uint64_t>{1024, 0}));
}

TEST_F(ChunkSchedulerTest, KeepsTheFirstFailureAndGivesOutNothingAfterIt) {
  RecordingWriter writer(true, 0);
  ChunkScheduler scheduler(writer, 4096, 1024);
  ChunkScheduler::Part part;
  Offer(scheduler, part, *scheduler.Take());
  scheduler.Fail(Unsupported("a later failure"));
  EXPECT_TRUE(scheduler.failed());
  EXPECT_TRUE(part.placed);
  EXPECT_EQ(scheduler.status().message(), "this chunk");
  EXPECT_FALSE(scheduler.Take());
}

TEST_F(ChunkSchedulerTest, PlacesEveryChunkOnceAndInOrderUnderContention) {
  constexpr uint64_t kChunks = 20000;
  RecordingWriter writer(true);
  ChunkScheduler scheduler(writer, kChunks * 512, 512);
  const auto work = [&] {
    std::array<ChunkScheduler::Part, 3> parts;
    for (;;) {
      size_t taken = 0;
      for (auto& part : parts) {
        const auto ticket = scheduler.Take();
        if (!ticket) break;
        ++taken;
        part.placed = false;
        Offer(scheduler, part, *ticket);
      }
      for (size_t i = 0; i < taken; ++i) {
        while (!parts[i].placed.load()) std::this_thread::yield();
      }
      if (taken < parts.size()) return;
    }
  };
  std::vector<std::thread> lanes;
  for (int i = 0; i < 4; ++i) lanes.emplace_back(work);
  for (std::thread& lane : lanes) lane.join();
  ASSERT_EQ(writer.placed.size(), kChunks);
  for (uint64_t i = 0; i < kChunks; ++i) ASSERT_EQ(writer.placed[i], i * 512);
}

}  // namespace
}  // namespace hotcell::guest
