// One lane's share of a conversion: a pipeline of chunks that are being read, processed and written
// at the same time.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_CONVERT_LANE_H_
#define HOTCELL_GUEST_OPS_PIPELINE_CONVERT_LANE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "guest/ops/pipeline/chunk_reader.h"
#include "guest/ops/pipeline/chunk_scheduler.h"
#include "guest/ops/pipeline/nested_image.h"
#include "guest/runtime/common/lanes.h"

namespace hotcell::guest {

// What all lanes share. Outlives them.
struct ConvertPlan {
  ReadPlan read;
  uint64_t virtual_size = 0;  // bytes, of the target
  uint32_t target_slot = 0;
  uint64_t buffer_size = 0;  // bytes; holds a chunk, and one that is encoded
  bool encodes = false;
  // Where the chunks' data is shown; null: nowhere. It cannot be where read.copy_offload is set.
  DiskEnds* ends = nullptr;
  ChunkScheduler* scheduler = nullptr;
  Lanes* lanes = nullptr;
};

// Outlives the work of all lanes, because another lane may place its chunks.
class ConvertLane {
 public:
  // The fewest buffers a channel must have.
  static constexpr size_t kMinBuffers = 5;

  struct Totals {
    uint64_t bytes_read = 0;
    uint64_t bytes_written = 0;
    uint64_t zero_bytes = 0;
  };

  // `encoder`: nullptr unless plan.encodes.
  ConvertLane(const ConvertPlan& plan, std::unique_ptr<LaneEncoder> encoder)
      : plan_(plan), encoder_(std::move(encoder)) {}

  // Takes chunks until there are none or any lane has failed. Leaves no request under way and no
  // buffer taken. Failures go to the scheduler.
  void Process(IoChannel& io);

  // What the lane has moved. Call it after Process(): bytes_read is not known before.
  Totals totals() const;

 private:
  static constexpr uint64_t kSlots = 26;
  static_assert(kSlots * abi::kMaxLanes <= ChunkScheduler::kMaxOutstanding);
  // Chunks that a lane reads ahead. The more, the fewer its sleeps; but each buffer that comes into
  // use costs the page faults of a MiB, which only a long job makes up for. So they are few at
  // first and grow to kReadAhead.
  static constexpr uint64_t kReadAhead = 10;
  static constexpr uint64_t kFirstReadAhead = 2;
  static constexpr uint64_t kChunksPerReadAhead = 48;
  static constexpr uint32_t kMaxWrites = 52;
  static_assert(kReadAhead * ChunkReader::kMaxReads + kMaxWrites + ImageReader::kMapTickets <=
                IoChannel::kMaxInFlight);

  enum class State : uint8_t { kReading, kOffered, kWriting };

  struct Slot {
    explicit Slot(const ReadPlan& plan) : reader(plan) {}

    State state = State::kReading;
    ChunkScheduler::Part part;
    ChunkReader reader;
    std::byte* encoded = nullptr;  // buffer of the compressed streams
    uint32_t writes = 0;           // under way
    uint64_t last_request = 0;     // number of the last one made for this chunk
  };

  struct Write {
    IoChannel::Ticket ticket;
    uint64_t offset;
    uint64_t length;
    Slot* slot;
    std::optional<CopySource> source;
  };

  Status Work();
  Slot& At(uint32_t index) { return *slots_[(first_ + index) % kSlots]; }
  Slot& Push(const ChunkScheduler::Ticket& ticket);
  bool HasRoom() const;
  bool WantsToRead();

  Status StartNext();
  Status TakeHoleAfter(uint64_t offset, Run::Kind kind);
  void OfferHole(Slot& slot, Run::Kind kind);
  Status FinishOldestRead();
  Status SubmitPlaced();
  Status SubmitWrites(Slot& slot);
  void SubmitWrite(const FileWrite& write, const std::optional<CopySource>& source, Slot& slot);
  Status WaitOldestWrite();
  Status RetireCompleted();
  Status RetireOldest();
  void ReleaseBuffers(Slot& slot);
  void Abandon();

  const ConvertPlan& plan_;
  const std::unique_ptr<LaneEncoder> encoder_;
  IoChannel* io_ = nullptr;
  Unpacker unpacker_;
  Totals totals_;

  // A ring of chunks in the order in which they were taken.
  std::array<std::unique_ptr<Slot>, kSlots> slots_;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
  uint32_t reading_ = 0;
  bool exhausted_ = false;
  bool in_burst_ = false;
  uint64_t taken_ = 0;  // chunks

  // Requests are answered in the order in which they are made. So a lane that has to wait for one
  // waits for the newest that it will need, and sleeps once for many.
  uint64_t requests_ = 0;   // made so far; those of one chunk's read count as one
  uint64_t completed_ = 0;  // known to be answered

  // A ring of the writes under way, oldest first.
  std::array<Write, kMaxWrites> writes_;
  uint32_t first_write_ = 0;
  uint32_t write_count_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_CONVERT_LANE_H_
