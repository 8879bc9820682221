#include "guest/formats/qcow2/new_area.h"

#include <algorithm>
#include <span>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/table_scan.h"

namespace hotcell::guest::qcow2 {
namespace {

// What is beyond a disk's end and stays unseen as long as it does not grow.
enum class Stale : uint8_t {
  kFree,      // no cluster
  kZero,      // reads as zeroes, with or without a cluster
  kOwnData,   // a data cluster that nothing else uses
  kNotOwned,  // stored in a way that cannot be overwritten
};

Stale Classify(uint64_t descriptor, uint64_t bitmap, const ImageHeader& header) {
  if ((descriptor & kEntryCompressed) != 0) return Stale::kNotOwned;
  const bool has_cluster = (descriptor & kOffsetMask) != 0;
  const bool all_zero = header.extended_l2()
                            ? bitmap == kAllSubclustersZero
                            : header.version >= 3 && (descriptor & kEntryZero) != 0;
  if (all_zero) return Stale::kZero;
  if (has_cluster) {
    const bool whole = !header.extended_l2() || bitmap == ~kAllSubclustersZero;
    return whole && (descriptor & kEntryCopied) != 0 ? Stale::kOwnData : Stale::kNotOwned;
  }
  return bitmap == 0 ? Stale::kFree : Stale::kNotOwned;
}

}  // namespace

NewArea::NewArea(const ImageHeader& header, const FileHandle& file, const ResizeOptions& options,
                 Fill fill)
    : header_(header),
      file_(file),
      fill_(fill),
      first_(DivideUp(options.old_size, header.cluster_size)),
      end_(std::max(first_, DivideUp(options.new_size, header.cluster_size))) {}

NewArea::Part NewArea::PartOf(uint64_t l1_index) const {
  const uint64_t first = l1_index * header_.l2_entries();
  return {.l1_index = l1_index,
          .begin = std::max(first_, first) - first,
          .end = std::min<uint64_t>(end_ - first, header_.l2_entries())};
}

Status NewArea::ReadL1(IoChannel& io) {
  l1_begin_ = first_ / header_.l2_entries();
  l1_.assign(DivideUp(end_, header_.l2_entries()) - l1_begin_, 0);
  if (l1_begin_ >= header_.l1_size) return OkStatus();
  const uint64_t count = std::min<uint64_t>(l1_.size(), header_.l1_size - l1_begin_);
  return ForEachWord(io, file_, header_.l1_offset + l1_begin_ * sizeof(Be64), count,
                     "read the L1 table", [&](uint64_t i, uint64_t word) {
                       if (i < count) l1_[i] = word;
                     });
}

Status NewArea::ReadTable(IoChannel& io, uint64_t l1_index) {
  words_.assign(header_.cluster_size / sizeof(Be64), 0);
  if (!HasTable(l1_index)) return OkStatus();
  return ReadPadded(io, file_, l1_[l1_index - l1_begin_] & kOffsetMask,
                    std::as_writable_bytes(std::span(words_)), "an L2 table");
}

Result<NewArea::Changes> NewArea::Judge(const Part& part) {
  const uint32_t step = header_.l2_entry_words();
  Changes changes;
  for (uint64_t i = part.begin; i < part.end; ++i) {
    const uint64_t bitmap = step == 2 ? uint64_t{words_[i * step + 1]} : 0;
    switch (Classify(words_[i * step], bitmap, header_)) {
      case Stale::kFree:
        if (fill_ != Fill::kNothing) ++changes.entries;
        if (fill_ == Fill::kData) ++changes.data;
        break;
      case Stale::kZero:
        if (fill_ == Fill::kData && (words_[i * step] & kOffsetMask) == 0) {
          ++changes.entries;
          ++changes.data;
        }
        break;
      case Stale::kOwnData:
        break;
      case Stale::kNotOwned:
        return Unsupported(
            StrCat("qcow2: something is stored beyond the end of the disk, at ",
                   (part.l1_index * header_.l2_entries() + i) * header_.cluster_size,
                   ", and would become a part of it; 'hotcell convert' makes an image without it"));
    }
  }
  return changes;
}

Status NewArea::Plan(IoChannel& io) {
  if (empty()) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(ReadL1(io));
  for (uint64_t i = l1_begin_; i < l1_begin_ + l1_.size(); ++i) {
    const Part part = PartOf(i);
    if (!HasTable(i)) {
      if (fill_ != Fill::kNothing) ++new_tables_;
      if (fill_ == Fill::kData) new_data_ += part.end - part.begin;
      continue;
    }
    HOTCELL_RETURN_IF_ERROR(ReadTable(io, i));
    const Result<Changes> changes = Judge(part);
    if (!changes.ok()) return changes.status();
    new_data_ += changes->data;
    if (changes->entries > 0 && MustMove(i)) ++new_tables_;
  }
  return OkStatus();
}

void NewArea::FillTable(const Part& part, uint64_t& data) {
  const uint32_t step = header_.l2_entry_words();
  for (uint64_t i = part.begin; i < part.end; ++i) {
    Be64& descriptor = words_[i * step];
    const uint64_t bitmap = step == 2 ? uint64_t{words_[i * step + 1]} : 0;
    const Stale stale = Classify(descriptor, bitmap, header_);
    if (stale == Stale::kOwnData || (descriptor & kOffsetMask) != 0) continue;
    if (fill_ == Fill::kData) {
      descriptor = data | kEntryCopied;
      if (step == 2) words_[i * step + 1] = ~kAllSubclustersZero;
      data += header_.cluster_size;
    } else if (stale == Stale::kFree) {
      if (step == 2) {
        words_[i * step + 1] = kAllSubclustersZero;
      } else {
        descriptor = kEntryZero;
      }
    }
  }
}

Status NewArea::ClearStaleData(IoChannel& io, const Part& part) {
  const uint32_t step = header_.l2_entry_words();
  for (uint64_t i = part.begin; i < part.end; ++i) {
    const uint64_t descriptor = words_[i * step];
    const uint64_t bitmap = step == 2 ? uint64_t{words_[i * step + 1]} : 0;
    if (Classify(descriptor, bitmap, header_) != Stale::kOwnData) continue;
    const IoResult cleared =
        io.Wait(io.SubmitWriteZeroes(file_.slot, descriptor & kOffsetMask, header_.cluster_size));
    if (!cleared.ok()) return IoError(cleared, "clear a cluster beyond the end of the disk");
  }
  return OkStatus();
}

Status NewArea::WriteTables(IoChannel& io, uint64_t tables, uint64_t data) {
  for (uint64_t i = l1_begin_; i < l1_begin_ + l1_.size(); ++i) {
    if (!HasTable(i) && fill_ == Fill::kNothing) continue;
    const Part part = PartOf(i);
    HOTCELL_RETURN_IF_ERROR(ReadTable(io, i));
    HOTCELL_RETURN_IF_ERROR(ClearStaleData(io, part));
    const Result<Changes> changes = Judge(part);
    if (!changes.ok()) return changes.status();
    if (changes->entries == 0) continue;
    FillTable(part, data);
    uint64_t& entry = l1_[i - l1_begin_];
    if (!HasTable(i) || MustMove(i)) {
      if (HasTable(i)) replaced_tables_.push_back(entry & kOffsetMask);
      entry = tables | kEntryCopied;
      tables += header_.cluster_size;
      l1_changed_ = true;
    }
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, entry & kOffsetMask,
                                     std::as_bytes(std::span(words_)), "an L2 table"));
  }
  return OkStatus();
}

Status NewArea::WriteL1Entries(IoChannel& io, uint64_t l1_offset) {
  if (!l1_changed_) return OkStatus();
  constexpr uint64_t kPiece = 8192;
  for (uint64_t first = 0; first < l1_.size(); first += kPiece) {
    const auto begin = l1_.begin() + static_cast<ptrdiff_t>(first);
    const auto count = static_cast<ptrdiff_t>(std::min(kPiece, l1_.size() - first));
    const std::vector<Be64> entries(begin, begin + count);
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, l1_offset + (l1_begin_ + first) * sizeof(Be64),
                                     std::as_bytes(std::span(entries)), "the L1 table"));
  }
  return OkStatus();
}

}  // namespace hotcell::guest::qcow2
