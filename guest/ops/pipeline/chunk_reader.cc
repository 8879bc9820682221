#include "guest/ops/pipeline/chunk_reader.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/ops/pipeline/zero_detect.h"

namespace hotcell::guest {
namespace {

using Kind = Extent::Kind;

// Between compressed streams that one read fetches. Reading these bytes costs less than a request.
constexpr uint64_t kMaxGap = 16 << 10;

}  // namespace

Status Unpacker::Unpack(const Extent& extent, std::span<const std::byte> stream,
                        std::span<std::byte> out) {
  if (extent.length == extent.cluster_size) {
    return decompressor_.Unpack(extent, stream, out);
  }
  if (scratch_size_ < extent.cluster_size) {
    scratch_ = std::make_unique<std::byte[]>(extent.cluster_size);
    scratch_size_ = extent.cluster_size;
  }
  const std::span<std::byte> cluster(scratch_.get(), extent.cluster_size);
  HOTCELL_RETURN_IF_ERROR(decompressor_.Unpack(extent, stream, cluster));
  std::memcpy(out.data(), cluster.data() + extent.offset_in_cluster, extent.length);
  return OkStatus();
}

Result<Extent> MapForTarget(const ReadPlan& plan, IoChannel& io, uint64_t offset, uint64_t length) {
  if (offset >= plan.source_size) return Extent{.kind = Kind::kZero, .length = length};
  length = std::min(length, plan.source_size - offset);
  Disk& source = *plan.source;
  const uint64_t unit = plan.backing_unit;
  if (unit == 0) return source.Map(io, offset, length);
  Result<Extent> top = source.MapTop(io, offset, length);
  if (!top.ok()) return top;
  if (top->kind == Kind::kZero && offset >= plan.backing_size) top->kind = Kind::kUnallocated;
  if (top->kind != Kind::kUnallocated) return top;
  const uint64_t end = offset + top->length;
  const uint64_t whole_end = end == plan.source_size ? end : AlignDown(end, unit);
  if (offset % unit == 0 && whole_end > offset) {
    top->length = whole_end - offset;
    return top;
  }
  // Shares a cluster with what the target has to have.
  return source.Map(io, offset, std::min(end, AlignUp(offset + 1, unit)) - offset);
}

std::optional<Run::Kind> ChunkReader::HoleKind(Kind kind) {
  if (kind == Kind::kZero) return Run::Kind::kZero;
  if (kind == Kind::kUnallocated) return Run::Kind::kUnallocated;
  return std::nullopt;
}

Status ChunkReader::MapChunk(IoChannel& io) {
  parts_.clear();
  for (uint64_t position = 0; position < length_;) {
    auto extent = MapForTarget(plan_, io, offset_ + position, length_ - position);
    if (!extent.ok()) return extent.status();
    Extent* const last = parts_.empty() ? nullptr : &parts_.back().extent;
    const bool adjacent =
        last != nullptr && last->kind == extent->kind &&
        (HoleKind(extent->kind) || (extent->kind == Kind::kData && last->slot == extent->slot &&
                                    last->offset + last->length == extent->offset));
    if (adjacent) {
      last->length += extent->length;
    } else {
      parts_.push_back({.extent = *extent, .position = position});
    }
    position += extent->length;
  }
  return OkStatus();
}

Status ChunkReader::Start(IoChannel& io, uint64_t offset, uint64_t length) {
  offset_ = offset;
  length_ = length;
  round_begin_ = round_end_ = 0;
  HOTCELL_RETURN_IF_ERROR(MapChunk(io));
  const Kind first = parts_[0].extent.kind;
  const bool hole = first == Kind::kUnallocated ||
                    (first == Kind::kZero && (plan_.sparse_size != 0 || plan_.skips_zero_chunks));
  if (parts_.size() == 1 && hole) return OkStatus();
  data_ = io.AcquireBuffer();
  ZeroFill();
  order_.clear();
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Kind kind = parts_[i].extent.kind;
    if (kind == Kind::kCompressed || (kind == Kind::kData && !plan_.copy_offload))
      order_.push_back(i);
  }
  std::sort(order_.begin(), order_.end(), [this](size_t a, size_t b) {
    const Extent& left = parts_[a].extent;
    const Extent& right = parts_[b].extent;
    return std::tie(left.slot, left.offset) < std::tie(right.slot, right.offset);
  });
  SubmitRound(io);
  return OkStatus();
}

// Known zeroes that share a unit with data are made real.
void ChunkReader::ZeroFill() {
  for (const Part& part : parts_) {
    if (part.extent.kind != Kind::kZero) continue;
    const uint64_t begin = part.position;
    const uint64_t end = begin + part.extent.length;
    if (plan_.sparse_size == 0) {
      std::memset(data_ + begin, 0, end - begin);
      continue;
    }
    const uint64_t unit = plan_.hole_size();
    const uint64_t head_end = std::min(end, AlignUp(begin, unit));
    std::memset(data_ + begin, 0, head_end - begin);
    if (end == length_) continue;
    const uint64_t tail_begin = std::max(head_end, AlignDown(end, unit));
    std::memset(data_ + tail_begin, 0, end - tail_begin);
  }
  std::memset(data_ + length_, 0, AlignUp(length_, plan_.padding) - length_);
}

bool ChunkReader::AddData(const Part& part) {
  if (reads_.size() == kMaxReads) return false;
  reads_.push_back({.slot = part.extent.slot,
                    .offset = part.extent.offset,
                    .data = data_ + part.position,
                    .length = part.extent.length});
  return true;
}

// Streams that follow or overlap each other in the file, nearly so, come with one read: they are
// packed byte by byte, but their sizes are known in sectors only.
bool ChunkReader::AddStream(IoChannel& io, const Part& part) {
  const uint64_t begin = part.extent.offset;
  // A stream longer than a buffer is longer than the biggest cluster that a buffer holds.
  const uint64_t end = begin + std::min<uint64_t>(part.extent.compressed_size, io.buffer_size());
  if (!reads_.empty() && streams_used_ > 0) {
    Read& last = reads_.back();
    const bool in_streams = last.data >= streams_ && last.data < streams_ + io.buffer_size();
    const uint64_t last_end = last.offset + last.length;
    const uint64_t more = end > last_end ? end - last_end : 0;
    if (in_streams && last.slot == part.extent.slot && begin >= last.offset &&
        begin <= last_end + kMaxGap && streams_used_ + more <= io.buffer_size()) {
      last.length += more;
      streams_used_ += more;
      return true;
    }
  }
  if (reads_.size() == kMaxReads || streams_used_ + (end - begin) > io.buffer_size()) return false;
  if (streams_ == nullptr) streams_ = io.AcquireBuffer();
  reads_.push_back({.slot = part.extent.slot,
                    .offset = begin,
                    .data = streams_ + streams_used_,
                    .length = end - begin});
  streams_used_ += end - begin;
  return true;
}

void ChunkReader::SubmitRound(IoChannel& io) {
  reads_.clear();
  streams_used_ = 0;
  round_begin_ = round_end_;
  for (; round_end_ < order_.size(); ++round_end_) {
    Part& part = parts_[order_[round_end_]];
    if (part.extent.kind == Kind::kData && !AddData(part)) break;
    if (part.extent.kind == Kind::kCompressed && !AddStream(io, part)) break;
    part.read = reads_.size() - 1;
  }
  for (Read& read : reads_) {
    read.ticket = io.SubmitRead(read.slot, read.offset, {read.data, read.length});
  }
  awaited_ = false;
}

// Waits from the last request to the first: they are answered in order, so this sleeps once.
void ChunkReader::Await(IoChannel& io) {
  if (awaited_) return;
  for (size_t i = reads_.size(); i-- > 0;) reads_[i].result = io.Wait(reads_[i].ticket);
  awaited_ = true;
}

Status ChunkReader::Collect() {
  for (Read& read : reads_) {
    if (!read.result.ok()) {
      return IoError(read.result, StrCat("read the image at offset ", read.offset));
    }
    read.length = std::min(read.length, read.result.value);
    bytes_read_ += read.length;
  }
  for (size_t i = round_begin_; i < round_end_; ++i) {
    const Part& part = parts_[order_[i]];
    if (part.extent.kind != Kind::kData) continue;
    const Read& read = reads_[part.read];
    if (read.length < part.extent.length) {
      return CorruptImage(StrCat("the file ends at offset ", read.offset + read.length,
                                 ", within data of the disk at ", offset_ + part.position));
    }
  }
  return OkStatus();
}

Status ChunkReader::UnpackRound(Unpacker& unpacker) {
  for (size_t i = round_begin_; i < round_end_; ++i) {
    const Part& part = parts_[order_[i]];
    if (part.extent.kind != Kind::kCompressed) continue;
    const Read& read = reads_[part.read];
    const uint64_t begin = std::min(part.extent.offset - read.offset, read.length);
    const uint64_t size = std::min<uint64_t>(part.extent.compressed_size, read.length - begin);
    const Status status = unpacker.Unpack(part.extent, {read.data + begin, size},
                                          {data_ + part.position, part.extent.length});
    if (!status.ok()) {
      return status.WithMessage(StrCat("compressed cluster at offset ", part.extent.offset,
                                       " (disk offset ", offset_ + part.position,
                                       "): ", status.message()));
    }
  }
  return OkStatus();
}

Status ChunkReader::Load(IoChannel& io, Unpacker& unpacker) {
  for (;;) {
    Await(io);
    Status status = Collect();
    if (status.ok()) status = UnpackRound(unpacker);
    if (!status.ok() || round_end_ == order_.size()) {
      reads_.clear();
      if (streams_ != nullptr) io.ReleaseBuffer(streams_);
      streams_ = nullptr;
      return status;
    }
    SubmitRound(io);
  }
}

Status ChunkReader::Finish(IoChannel& io, Unpacker& unpacker, Chunk& chunk) {
  HOTCELL_RETURN_IF_ERROR(Load(io, unpacker));
  FindRuns(chunk);
  return OkStatus();
}

// `part` is the last one looked at, kept by the caller between calls with ascending ranges.
std::optional<Run::Kind> ChunkReader::KnownHole(uint64_t begin, uint64_t end, size_t& part) const {
  while (parts_[part].position + parts_[part].extent.length <= begin) ++part;
  const Part& at = parts_[part];
  if (at.position + at.extent.length < end) return std::nullopt;
  if (at.extent.kind == Kind::kZero && plan_.sparse_size == 0) return std::nullopt;
  return HoleKind(at.extent.kind);
}

void ChunkReader::FindRuns(Chunk& chunk) const {
  chunk.runs.clear();
  const uint64_t whole = plan_.backing_unit != 0 ? plan_.backing_unit : length_;
  const uint64_t unit = plan_.sparse_size != 0 ? plan_.sparse_size : whole;
  const uint64_t hole_unit = plan_.sparse_size != 0 ? plan_.hole_size() : whole;
  const bool look = plan_.sparse_size != 0 && !plan_.copy_offload;
  size_t part = 0;
  for (uint64_t begin = 0; begin < length_;) {
    uint64_t end = std::min(begin + hole_unit, length_);
    std::optional<Run::Kind> hole = KnownHole(begin, end, part);
    if (!hole) {
      const uint64_t unit_begin = begin - begin % unit;
      const uint64_t unit_end = std::min(unit_begin + unit, length_);
      while (end < unit_end && !KnownHole(end, std::min(end + hole_unit, length_), part)) {
        end = std::min(end + hole_unit, length_);
      }
      // What a hole cuts is shorter than what is looked for.
      const bool is_whole = begin == unit_begin && end == unit_end;
      if (look && is_whole && IsAllZero({data_ + begin, end - begin})) hole = Run::Kind::kZero;
    }
    const Run::Kind kind = hole.value_or(Run::Kind::kData);
    if (chunk.runs.empty() || chunk.runs.back().kind != kind) {
      chunk.runs.push_back(
          {.kind = kind, .offset = offset_ + begin, .data = hole ? nullptr : data_ + begin});
    }
    Run& run = chunk.runs.back();
    run.length += end - begin;
    if (!hole) run.size = run.length;
    begin = end;
  }
}

ChunkReader::Place ChunkReader::Find(const std::byte* data, uint64_t length) const {
  if (!plan_.copy_offload || data_ == nullptr || data < data_ || data >= data_ + length_) {
    return {.length = length};
  }
  const auto position = static_cast<uint64_t>(data - data_);
  const auto after = std::upper_bound(
      parts_.begin(), parts_.end(), position,
      [](uint64_t value, const Part& candidate) { return value < candidate.position; });
  const Part& part = *std::prev(after);
  const uint64_t skipped = position - part.position;
  Place place = {.length = std::min(length, part.extent.length - skipped)};
  if (part.extent.kind == Kind::kData) {
    place.source = {.slot = part.extent.slot, .offset = part.extent.offset + skipped};
  }
  return place;
}

void ChunkReader::Release(IoChannel& io) {
  Await(io);
  reads_.clear();
  if (streams_ != nullptr) io.ReleaseBuffer(streams_);
  if (data_ != nullptr) io.ReleaseBuffer(data_);
  streams_ = data_ = nullptr;
}

}  // namespace hotcell::guest
