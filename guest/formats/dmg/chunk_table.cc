#include "guest/formats/dmg/chunk_table.h"

#include <algorithm>

#include "base/text.h"

namespace hotcell::guest::dmg {

void ChunkTable::BeginResource() {
  pending_size_ = 0;
  in_header_ = true;
  skips_ = false;
  entries_left_ = 0;
}

Status ChunkTable::Feed(std::span<const std::byte> bytes) {
  while (!bytes.empty() && !skips_) {
    const size_t wanted = in_header_ ? sizeof(BlockTableHeader) : sizeof(ChunkEntry);
    const size_t taken = std::min(bytes.size(), wanted - pending_size_);
    std::copy_n(bytes.begin(), taken, pending_.begin() + static_cast<ptrdiff_t>(pending_size_));
    pending_size_ += taken;
    bytes = bytes.subspan(taken);
    if (pending_size_ < wanted) break;
    pending_size_ = 0;
    HOTCELL_RETURN_IF_ERROR(in_header_ ? TakeHeader() : TakeEntry());
    skips_ = entries_left_ == 0;
  }
  return OkStatus();
}

Status ChunkTable::EndResource() {
  if (entries_left_ == 0) return OkStatus();
  return CorruptImage(
      StrCat("dmg: a block table ends ", entries_left_, " entries before its end; it is damaged"));
}

Status ChunkTable::TakeHeader() {
  header_ = LoadStruct<BlockTableHeader>(pending_);
  in_header_ = false;
  if (header_.signature == kBlockTableSignature) entries_left_ = header_.chunk_count;
  return OkStatus();
}

Status ChunkTable::TakeEntry() {
  --entries_left_;
  const auto entry = LoadStruct<ChunkEntry>(pending_);
  if (entry.type == kComment || entry.type == kEnd || entry.sector_count == 0) return OkStatus();

  // Any more and its bytes cannot be counted.
  constexpr uint64_t kMaxSectors = (UINT64_MAX >> 1) / kSectorSize;
  const uint64_t most = disk_sectors_ != 0 ? disk_sectors_ : kMaxSectors;
  Chunk chunk;
  chunk.type = entry.type;
  chunk.sectors = entry.sector_count;
  if (__builtin_add_overflow(uint64_t{header_.sector_number}, uint64_t{entry.sector_number},
                             &chunk.sector) ||
      chunk.sector > most || chunk.sectors > most - chunk.sector) {
    return CorruptImage(StrCat("dmg: a chunk of ", uint64_t{entry.sector_count}, " sectors at ",
                               uint64_t{entry.sector_number}, " + ",
                               uint64_t{header_.sector_number}, " is not on the disk, which has ",
                               most));
  }
  if (chunk.type != kZero && chunk.type != kIgnore) {
    const uint64_t length = entry.length;
    if (__builtin_add_overflow(uint64_t{header_.data_offset}, uint64_t{entry.offset},
                               &chunk.offset) ||
        __builtin_add_overflow(data_fork_, chunk.offset, &chunk.offset) ||
        chunk.offset > data_end_ || length > data_end_ - chunk.offset) {
      return CorruptImage(StrCat("dmg: the data of the chunk at sector ", chunk.sector, " (",
                                 length, " bytes at ", Hex(chunk.offset),
                                 ") reaches past the end of the data, at ", Hex(data_end_),
                                 "; the file is truncated or damaged"));
    }
    if (length == 0 || (chunk.type == kRaw && length != chunk.sectors * kSectorSize)) {
      return CorruptImage(StrCat("dmg: the chunk at sector ", chunk.sector, " has ", chunk.sectors,
                                 " sectors in ", length, " bytes of data"));
    }
    chunk.length = length;
  }
  if (chunks_.size() == kMaxChunks) {
    return LimitExceeded(StrCat("dmg: the image has more than ", kMaxChunks, " chunks"));
  }
  chunks_.push_back(chunk);
  return OkStatus();
}

// A few bytes that every chunk claims would unpack to a disk of any size.
Status ChunkTable::CheckDataOnce() const {
  std::vector<uint32_t> order;
  order.reserve(chunks_.size());
  for (uint32_t i = 0; i < chunks_.size(); ++i) {
    if (chunks_[i].length > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return chunks_[a].offset < chunks_[b].offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const Chunk& before = chunks_[order[i - 1]];
    const Chunk& chunk = chunks_[order[i]];
    if (chunk.offset - before.offset >= before.length) continue;
    return CorruptImage(StrCat("dmg: the chunks at sectors ", before.sector, " and ", chunk.sector,
                               " claim the same data at ", Hex(chunk.offset)));
  }
  return OkStatus();
}

Status ChunkTable::Finish() {
  std::sort(chunks_.begin(), chunks_.end(),
            [](const Chunk& a, const Chunk& b) { return a.sector < b.sector; });
  for (size_t i = 1; i < chunks_.size(); ++i) {
    if (chunks_[i].sector >= chunks_[i - 1].end()) continue;
    return CorruptImage(StrCat("dmg: two chunks hold sector ", chunks_[i].sector));
  }
  return CheckDataOnce();
}

}  // namespace hotcell::guest::dmg
