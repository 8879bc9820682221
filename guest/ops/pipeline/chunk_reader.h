// Reading one chunk of the virtual disk into a buffer.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_CHUNK_READER_H_
#define HOTCELL_GUEST_OPS_PIPELINE_CHUNK_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "guest/codecs/decompressor.h"
#include "guest/formats/common/chain.h"
#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// How a conversion reads, the same for all chunks.
struct ReadPlan {
  Disk* source = nullptr;
  uint64_t source_size = 0;  // bytes; the disk reads as zeroes beyond
  // Zeroes are looked for in aligned units of this, bytes; a power of two, at least 512, at most a
  // chunk. 0: they are not looked for, and known ones become data.
  uint64_t sparse_size = 0;
  // The source's own zeroes are left out in aligned units of this, bytes; a power of two, at most
  // `sparse_size`, which is about the others. 0: as `sparse_size`.
  uint64_t known_sparse_size = 0;
  // A chunk that is known to be zero takes no buffer, whatever `sparse_size` says.
  bool skips_zero_chunks = false;
  // Data is padded with zeroes, in memory, to a multiple of this.
  uint64_t padding = 512;
  // Data that is in a file as it is is left there, for COPY: only its place is found out, and its
  // bytes in memory mean nothing.
  bool copy_offload = false;
  // What the source leaves to its backing image the target leaves to its own, in whole units of
  // this, the target's cluster size in bytes; `sparse_size` is no larger. 0: the target has none.
  uint64_t backing_unit = 0;
  // The target's backing image ends here, bytes: behind it, what is left to it reads as zeroes.
  uint64_t backing_size = 0;

  uint64_t hole_size() const { return known_sparse_size != 0 ? known_sparse_size : sparse_size; }
};

// The extent of the source at `offset` as the target is to have it: kUnallocated where it is left
// to the target's backing image. Otherwise as Disk::Map().
Result<Extent> MapForTarget(const ReadPlan& plan, IoChannel& io, uint64_t offset, uint64_t length);

// The memory of one lane for compressed clusters.
class Unpacker {
 public:
  // The part of a cluster that `extent` is, into `out` of extent.length bytes.
  Status Unpack(const Extent& extent, std::span<const std::byte> stream, std::span<std::byte> out);

 private:
  ClusterDecompressor decompressor_;
  std::unique_ptr<std::byte[]> scratch_;  // for clusters that are wanted in part
  size_t scratch_size_ = 0;
};

// One chunk on its way from the source into memory. Start submits its reads, Finish waits for them.
// Holds at most two buffers of the channel: the chunk's data, and between Start and Finish
// compressed streams. When these do not fit in one buffer, or there are more reads than a lane
// should submit at once, Finish does the rest in rounds.
class ChunkReader {
 public:
  static constexpr size_t kMaxReads = 6;  // requests under way at once

  // `plan` outlives the reader.
  explicit ChunkReader(const ReadPlan& plan) : plan_(plan) {}

  // Maps [offset, offset + length), which fits in a buffer. Precondition: the reader holds nothing.
  Status Start(IoChannel& io, uint64_t offset, uint64_t length);
  // After Start: what the whole chunk is known to be, kZero or kUnallocated; there is nothing to
  // finish then, and no buffer is held.
  std::optional<Run::Kind> hole() const {
    if (data_ != nullptr) return std::nullopt;
    return HoleKind(parts_.front().extent.kind);
  }
  bool is_zero() const { return hole() == Run::Kind::kZero; }

  // Waits for the reads that Start submitted, so that Finish need not (unless there are more).
  void Await(IoChannel& io);
  // Fills data() with the chunk, but for known zeroes that are not to become data.
  Status Load(IoChannel& io, Unpacker& unpacker);
  // Load(), and fills chunk.runs, which point into data(). Neighbouring runs differ in kind.
  Status Finish(IoChannel& io, Unpacker& unpacker, Chunk& chunk);

  // Where bytes of the chunk are.
  struct Place {
    uint64_t length = 0;               // bytes that are there, at least 1
    std::optional<CopySource> source;  // nullopt: in memory
  };
  // The place of the `length` bytes at `data`, which are to be written and may lie anywhere; null
  // means zeroes.
  Place Find(const std::byte* data, uint64_t length) const;

  std::byte* data() const { return data_; }
  size_t buffers_held() const { return (data_ != nullptr ? 1 : 0) + (streams_ != nullptr ? 1 : 0); }
  uint64_t bytes_read() const { return bytes_read_; }  // by all chunks so far
  // Waits for what is under way and gives all buffers back.
  void Release(IoChannel& io);

 private:
  struct Read {
    uint32_t slot;
    uint64_t offset;  // in the file
    std::byte* data;
    uint64_t length;  // bytes
    IoChannel::Ticket ticket;
    IoResult result;  // after Await
  };
  struct Part {
    Extent extent;
    uint64_t position;  // in the chunk
    size_t read;        // index in reads_
  };

  // nullopt: bytes are stored.
  static std::optional<Run::Kind> HoleKind(Extent::Kind kind);
  Status MapChunk(IoChannel& io);
  void ZeroFill();
  void SubmitRound(IoChannel& io);
  bool AddData(const Part& part);
  bool AddStream(IoChannel& io, const Part& part);
  Status Collect();
  Status UnpackRound(Unpacker& unpacker);
  void FindRuns(Chunk& chunk) const;
  std::optional<Run::Kind> KnownHole(uint64_t begin, uint64_t end, size_t& part) const;

  const ReadPlan& plan_;
  uint64_t offset_ = 0;
  uint64_t length_ = 0;
  std::byte* data_ = nullptr;
  std::byte* streams_ = nullptr;
  uint64_t streams_used_ = 0;
  std::vector<Part> parts_;
  // Indices of the parts that are read, by their place in the files: writers that work on many
  // clusters at once leave neighbours in any order.
  std::vector<size_t> order_;
  size_t round_begin_ = 0;  // order_[round_begin_, round_end_) are under way
  size_t round_end_ = 0;
  std::vector<Read> reads_;
  bool awaited_ = true;  // no request is under way
  uint64_t bytes_read_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_CHUNK_READER_H_
