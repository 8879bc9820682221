#include "guest/formats/common/block_writer.h"

#include <algorithm>
#include <bit>
#include <span>

namespace hotcell::guest {

static_assert(std::endian::native == std::endian::little);

Status TableWriter::Append(IoChannel& io, uint32_t entry) {
  if (pending_.size() == kPieceEntries) HOTCELL_RETURN_IF_ERROR(Finish(io));
  if (pending_.capacity() == 0) pending_.reserve(kPieceEntries);
  pending_.push_back(entry);
  return OkStatus();
}

Status TableWriter::FillTo(IoChannel& io, uint64_t count, uint32_t entry) {
  while (this->count() < count) HOTCELL_RETURN_IF_ERROR(Append(io, entry));
  return OkStatus();
}

Status TableWriter::Finish(IoChannel& io) {
  if (pending_.empty()) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, offset_ + written_ * sizeof(uint32_t),
                                   std::as_bytes(std::span(pending_)), what_));
  written_ += pending_.size();
  pending_.clear();
  return OkStatus();
}

Status BlockWriter::PlaceRun(IoChannel& io, const Run& run, std::vector<FileWrite>& writes) {
  const uint64_t end = run.offset + run.length;
  for (uint64_t at = run.offset; at < end;) {
    const uint64_t block = at / layout_.block_size;
    const uint64_t in_block = at % layout_.block_size;
    const uint64_t length = std::min(end - at, layout_.block_size - in_block);
    // The last block of the table can be there already, from a run before this one.
    if (block >= table_.count()) {
      HOTCELL_RETURN_IF_ERROR(table_.FillTo(io, block, layout_.unallocated));
      HOTCELL_RETURN_IF_ERROR(
          table_.Append(io, layout_.first_entry + static_cast<uint32_t>(allocated_)));
      ++allocated_;
    }
    const uint64_t place = this->end() - layout_.block_size + in_block;
    const std::byte* const data = run.data + (at - run.offset);
    const bool adjacent = !writes.empty() && writes.back().offset + writes.back().length == place &&
                          writes.back().data + writes.back().length == data;
    if (adjacent) {
      writes.back().length += length;
    } else {
      writes.push_back({.offset = place, .length = length, .data = data});
    }
    at += length;
  }
  return OkStatus();
}

Status BlockWriter::Place(IoChannel& io, Chunk& chunk) {
  for (const Run& run : chunk.runs) {
    if (run.kind != Run::Kind::kData) continue;
    HOTCELL_RETURN_IF_ERROR(PlaceRun(io, run, chunk.writes));
  }
  return OkStatus();
}

Status BlockWriter::Finish(IoChannel& io) {
  HOTCELL_RETURN_IF_ERROR(table_.FillTo(io, layout_.blocks, layout_.unallocated));
  return table_.Finish(io);
}

}  // namespace hotcell::guest
