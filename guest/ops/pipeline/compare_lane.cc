#include "guest/ops/pipeline/compare_lane.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "guest/ops/pipeline/zero_detect.h"

namespace hotcell::guest {
namespace {

using Kind = Extent::Kind;

constexpr uint64_t kSectorSize = 512;
// Small enough that what differs is found again in the cache.
constexpr uint64_t kStride = 32 << 10;
// Pairs of extents of zeroes that are looked at beyond a chunk of zeroes.
constexpr uint32_t kMaxZeroExtents = 64;

// What a strict comparison compares, as qemu-img does: data that is known to be zero is not the
// same as zeroes that are nowhere.
struct BlockStatus {
  Kind kind = Kind::kUnallocated;
  bool in_hole = false;

  bool operator==(const BlockStatus&) const = default;
};

BlockStatus StatusOf(const Extent& extent) {
  return {.kind = extent.kind, .in_hole = extent.in_hole};
}

bool Differ(const std::byte* first, const std::byte* second, uint64_t length) {
  if (first == nullptr && second == nullptr) return false;
  if (first == nullptr) return !IsAllZero({second, length});
  if (second == nullptr) return !IsAllZero({first, length});
  return std::memcmp(first, second, length) != 0;
}

const std::byte* Advance(const std::byte* data, uint64_t length) {
  return data == nullptr ? nullptr : data + length;
}

// The first sector that differs, or `length`. nullptr: zeroes.
uint64_t FindMismatch(const std::byte* first, const std::byte* second, uint64_t length,
                      uint64_t stride) {
  for (uint64_t begin = 0; begin < length; begin += stride) {
    const uint64_t size = std::min(stride, length - begin);
    const std::byte* const one = Advance(first, begin);
    const std::byte* const two = Advance(second, begin);
    if (!Differ(one, two, size)) continue;
    return stride == kSectorSize ? begin : begin + FindMismatch(one, two, size, kSectorSize);
  }
  return length;
}

}  // namespace

void Verdict::Report(Finding finding) {
  const std::lock_guard lock(lock_);
  if (finding.offset >= finding_.offset) return;
  end_.store(finding.offset, std::memory_order_relaxed);
  finding_ = std::move(finding);
}

void CompareLane::Process(IoChannel& io) {
  io_ = &io;
  for (std::unique_ptr<Pair>& pair : pairs_) pair = std::make_unique<Pair>(plan_);
  for (;;) {
    if (WantsToRead()) {
      StartNext();
    } else if (count_ > 0) {
      FinishOldest();
    } else {
      break;
    }
  }
}

uint64_t CompareLane::bytes_read() const {
  uint64_t bytes = 0;
  for (const std::unique_ptr<Pair>& pair : pairs_) {
    if (pair == nullptr) continue;
    for (const ChunkReader& reader : pair->readers) bytes += reader.bytes_read();
  }
  return bytes;
}

// Whether to start reads: they start in bursts, as in a conversion, so that a lane sleeps once for
// many.
bool CompareLane::WantsToRead() {
  constexpr size_t kPerPair = 4;  // a chunk of each disk, and the streams it is unpacked from
  const uint64_t share = plan_.chunks->ChunksLeft() / (2 * plan_.lanes->count());
  const uint64_t most = std::min<uint64_t>(kPairs, (io_->buffer_count() - 2) / kPerPair);
  const uint64_t ahead =
      std::clamp<uint64_t>(std::min(share, 1 + taken_ / kChunksPerReadAhead), 1, most);
  if (count_ <= ahead / 2) in_burst_ = true;
  if (exhausted_ || count_ >= ahead) in_burst_ = false;
  return in_burst_;
}

void CompareLane::Fail(CompareOutcome outcome, uint64_t offset, uint32_t image, Status status) {
  plan_.verdict->Report({.outcome = outcome,
                         .offset = offset,
                         .failure = std::move(status),
                         .failed_image = image + 1});
}

void CompareLane::StartNext() {
  const std::optional<ChunkDispenser::Ticket> ticket = plan_.chunks->Take();
  if (!ticket || ticket->offset >= plan_.verdict->end()) {
    exhausted_ = true;
    return;
  }
  ++taken_;
  if (plan_.strict) {
    CheckStatus(ticket->offset, ticket->length);
    // Bytes before the place where the status differs may differ too.
    if (plan_.verdict->end() <= ticket->offset) return;
  }
  Pair& pair = At(count_);
  pair.offset = ticket->offset;
  pair.length = ticket->length;
  if (!StartReaders(pair)) return;
  if (pair.readers[0].is_zero() && pair.readers[1].is_zero()) {
    plan_.lanes->AddDone(pair.length);
    SkipZeroesAfter(pair.offset + pair.length);
    return;
  }
  ++count_;
}

bool CompareLane::StartReaders(Pair& pair) {
  for (uint32_t i = 0; i < pair.readers.size(); ++i) {
    Status status = pair.readers[i].Start(*io_, pair.offset, pair.length);
    if (status.ok()) continue;
    Drop(pair);
    Fail(CompareOutcome::kMapFailed, pair.offset, i, std::move(status));
    return false;
  }
  return true;
}

void CompareLane::Drop(Pair& pair) {
  for (ChunkReader& reader : pair.readers) reader.Release(*io_);
}

void CompareLane::FinishOldest() {
  if (awaited_ == 0) {
    // Requests are answered in order: this sleeps once.
    for (uint32_t i = count_; i-- > 0;) {
      for (uint32_t image = 2; image-- > 0;) At(i).readers[image].Await(*io_);
    }
    awaited_ = count_;
  }
  Pair& pair = At(0);
  first_ = (first_ + 1) % kPairs;
  --count_;
  --awaited_;
  if (pair.offset < plan_.verdict->end()) CompareData(pair);
  Drop(pair);
  plan_.lanes->AddDone(pair.length);
}

void CompareLane::CompareData(Pair& pair) {
  std::array<const std::byte*, 2> data = {};
  for (uint32_t i = 0; i < data.size(); ++i) {
    ChunkReader& reader = pair.readers[i];
    if (reader.is_zero()) continue;
    if (Status status = reader.Load(*io_, unpacker_); !status.ok()) {
      return Fail(CompareOutcome::kReadFailed, pair.offset, i, std::move(status));
    }
    data[i] = reader.data();
  }
  const uint64_t same = FindMismatch(data[0], data[1], pair.length, kStride);
  if (same == pair.length) return;
  plan_.verdict->Report(
      {.outcome = CompareOutcome::kContentMismatch, .offset = pair.offset + same});
}

// Reports where the disks do not have the same kind of extent.
void CompareLane::CheckStatus(uint64_t offset, uint64_t length) {
  const uint64_t end = offset + length;
  while (offset < end) {
    uint64_t step = end - offset;
    std::array<BlockStatus, 2> statuses;
    for (uint32_t i = 0; i < statuses.size(); ++i) {
      auto location = plan_.images[i]->Locate(*io_, offset, step);
      if (!location.ok()) {
        Fail(CompareOutcome::kMapFailed, offset, i, location.status());
        return;
      }
      statuses[i] = StatusOf(location->extent);
      step = location->extent.length;
    }
    if (statuses[0] != statuses[1]) {
      plan_.verdict->Report({.outcome = CompareOutcome::kStatusMismatch, .offset = offset});
      return;
    }
    offset += step;
  }
}

// Big holes that both disks have are not worth a chunk per MiB. What cannot be mapped, or differs,
// is left to its own chunk.
void CompareLane::SkipZeroesAfter(uint64_t offset) {
  uint64_t end = offset;
  for (uint32_t n = 0; n < kMaxZeroExtents && end < plan_.size; ++n) {
    uint64_t step = plan_.size - end;
    std::array<BlockStatus, 2> statuses;
    for (uint32_t i = 0; i < statuses.size(); ++i) {
      const ReadPlan& disk = plan_.read[i];
      if (end >= disk.source_size) continue;
      auto location = plan_.images[i]->Locate(*io_, end, std::min(step, disk.source_size - end));
      if (!location.ok()) return;
      statuses[i] = StatusOf(location->extent);
      step = location->extent.length;
    }
    const auto is_zero = [](const BlockStatus& status) {
      return status.kind == Kind::kZero || status.kind == Kind::kUnallocated;
    };
    if (!is_zero(statuses[0]) || !is_zero(statuses[1])) break;
    if (plan_.strict && statuses[0] != statuses[1]) break;
    end += step;
  }
  if (end == offset) return;
  if (const auto ticket = plan_.chunks->TakeZeroes(end)) plan_.lanes->AddDone(ticket->length);
}

}  // namespace hotcell::guest
