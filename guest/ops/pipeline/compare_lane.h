// One lane of a comparison: reads chunks of two disks ahead and compares them.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_COMPARE_LANE_H_
#define HOTCELL_GUEST_OPS_PIPELINE_COMPARE_LANE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "guest/formats/common/chain.h"
#include "guest/ops/compare.h"
#include "guest/ops/pipeline/chunk_dispenser.h"
#include "guest/ops/pipeline/chunk_reader.h"
#include "guest/runtime/common/lanes.h"
#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

// What a comparison has come to: of all that lanes find, the first on the disk. Thread-safe.
class Verdict {
 public:
  struct Finding {
    CompareOutcome outcome = CompareOutcome::kIdentical;
    uint64_t offset = UINT64_MAX;
    Status failure;
    uint32_t failed_image = 0;  // 1 or 2
  };

  void Report(Finding finding);
  // Nothing from here on matters any more.
  uint64_t end() const { return end_.load(std::memory_order_relaxed); }
  // What was found. Call it after all lanes have returned.
  const Finding& finding() const { return finding_; }

 private:
  Spinlock lock_;
  std::atomic<uint64_t> end_ = UINT64_MAX;
  Finding finding_;
};

// What is to be compared. All lanes have the same plan, and what it points to outlives them.
struct ComparePlan {
  std::array<ImageChain*, 2> images;
  std::array<ReadPlan, 2> read;
  uint64_t size = 0;  // of the bigger disk, bytes
  // Whether bytes are allocated, zero or compressed has to be the same too.
  bool strict = false;
  ChunkDispenser* chunks = nullptr;
  Verdict* verdict = nullptr;
  Lanes* lanes = nullptr;
};

class CompareLane {
 public:
  // The fewest buffers a channel must have: two readers hold four, a format's tables take one.
  static constexpr size_t kMinBuffers = 6;

  explicit CompareLane(const ComparePlan& plan) : plan_(plan) {}

  // Takes chunks until there are none, or none that could change the verdict. Leaves no request
  // under way and no buffer taken.
  void Process(IoChannel& io);

  uint64_t bytes_read() const;

 private:
  static constexpr uint32_t kPairs = 4;
  // How many chunks a lane takes before it reads one more ahead: reading further ahead brings
  // buffers into use that a small job has no time to warm.
  static constexpr uint64_t kChunksPerReadAhead = 16;
  static_assert(2 * kPairs * ChunkReader::kMaxReads + ImageReader::kMapTickets <=
                IoChannel::kMaxInFlight);

  // One chunk of the virtual disk, as both images have it.
  struct Pair {
    explicit Pair(const ComparePlan& plan)
        : readers{ChunkReader(plan.read[0]), ChunkReader(plan.read[1])} {}

    uint64_t offset = 0;
    uint64_t length = 0;
    std::array<ChunkReader, 2> readers;
  };

  Pair& At(uint32_t index) { return *pairs_[(first_ + index) % kPairs]; }
  bool WantsToRead();
  void StartNext();
  bool StartReaders(Pair& pair);
  void FinishOldest();
  void CompareData(Pair& pair);
  void CheckStatus(uint64_t offset, uint64_t length);
  void SkipZeroesAfter(uint64_t offset);
  void Drop(Pair& pair);
  void Fail(CompareOutcome outcome, uint64_t offset, uint32_t image, Status status);

  const ComparePlan& plan_;
  IoChannel* io_ = nullptr;
  Unpacker unpacker_;

  // A ring of chunks that are being read, in the order in which they were taken.
  std::array<std::unique_ptr<Pair>, kPairs> pairs_;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
  uint32_t awaited_ = 0;  // of these, the first so many have arrived
  uint64_t taken_ = 0;
  bool exhausted_ = false;
  bool in_burst_ = false;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_COMPARE_LANE_H_
