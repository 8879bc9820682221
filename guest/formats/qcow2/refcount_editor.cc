#include "guest/formats/qcow2/refcount_editor.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/refcount_block.h"
#include "guest/formats/qcow2/table_scan.h"

namespace hotcell::guest::qcow2 {
namespace {

constexpr std::string_view kBlockName = "a refcount block";

Status Flush(IoChannel& io, uint32_t slot) {
  const IoResult flushed = io.Flush(slot);
  return flushed.ok() ? OkStatus() : IoError(flushed, "flush the image");
}

}  // namespace

RefcountEditor::RefcountEditor(const ImageHeader& header, const FileHandle& file, bool device)
    : file_(file),
      device_(device),
      cluster_size_(header.cluster_size),
      refcount_order_(static_cast<uint32_t>(std::countr_zero(header.refcount_bits))),
      entries_per_block_((8ull << header.cluster_bits) >> refcount_order_),
      table_offset_(header.refcount_table_offset),
      table_clusters_(header.refcount_table_size / header.cluster_size),
      table_entries_(header.refcount_table_size / sizeof(uint64_t)) {}

Status RefcountEditor::LoadTable(IoChannel& io) {
  if (!table_.empty()) return OkStatus();
  table_.assign(table_entries_, 0);
  return ForEachWord(io, file_, table_offset_, table_entries_, "read the refcount table",
                     [this](uint64_t i, uint64_t word) { table_[i] = word & kRefcountBlockMask; });
}

Status RefcountEditor::ReadBlock(IoChannel& io, uint64_t block) {
  bytes_.resize(cluster_size_);
  return ReadPadded(io, file_, table_[block], bytes_, kBlockName);
}

Result<uint64_t> RefcountEditor::FindEnd(IoChannel& io) {
  uint64_t end = device_ ? 1 : DivideUp(file_.size, cluster_size_);
  for (uint64_t block = end / entries_per_block_; block < table_.size(); ++block) {
    if (table_[block] == 0) continue;
    HOTCELL_RETURN_IF_ERROR(ReadBlock(io, block));
    const uint64_t first = block * entries_per_block_;
    for (uint64_t i = entries_per_block_; i-- > 0 && first + i >= end;) {
      if (GetRefcount(bytes_, refcount_order_, i) != 0) end = first + i + 1;
    }
  }
  return end;
}

Status RefcountEditor::TooLarge() const {
  return InvalidArgument(
      StrCat("qcow2: the image would be too large for clusters of ", cluster_size_, " bytes"));
}

bool RefcountEditor::IsNew(uint64_t block) const {
  return std::binary_search(new_blocks_.begin(), new_blocks_.end(), block);
}

void RefcountEditor::AddBlocks(Range& range) {
  for (uint64_t block = range.begin / entries_per_block_; block * entries_per_block_ < range.end;
       ++block) {
    if (block >= table_.size()) table_.resize(block + 1);
    if (table_[block] != 0) continue;
    table_[block] = range.end++ * cluster_size_;
    new_blocks_.push_back(block);
  }
}

Status RefcountEditor::AddTable(Range& range) {
  if (table_.size() <= table_entries_) return OkStatus();
  // The table's own clusters may need blocks, and these entries.
  const uint64_t least = DivideUp(table_.size() * sizeof(Be64), cluster_size_);
  const uint64_t own_blocks = DivideUp(2 * least, entries_per_block_) + 2;
  new_table_clusters_ = DivideUp((table_.size() + own_blocks) * sizeof(Be64), cluster_size_);
  new_table_offset_ = range.end * cluster_size_;
  range.end += new_table_clusters_;
  AddBlocks(range);
  const uint64_t bytes = new_table_clusters_ * cluster_size_;
  if (bytes > kMaxRefcountTableBytes || table_.size() * sizeof(Be64) > bytes) return TooLarge();
  return OkStatus();
}

Status RefcountEditor::WriteBlocks(IoChannel& io, const Range& range) {
  for (uint64_t block = range.begin / entries_per_block_; block * entries_per_block_ < range.end;
       ++block) {
    if (IsNew(block)) {
      bytes_.assign(cluster_size_, std::byte{0});
    } else {
      HOTCELL_RETURN_IF_ERROR(ReadBlock(io, block));
    }
    const uint64_t first = block * entries_per_block_;
    const uint64_t begin = std::max(range.begin, first);
    const uint64_t end = std::min(range.end, first + entries_per_block_);
    for (uint64_t cluster = begin; cluster < end; ++cluster) {
      SetRefcount(bytes_, refcount_order_, cluster - first, 1);
    }
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, table_[block], bytes_, kBlockName));
  }
  return Flush(io, file_.slot);
}

// Entries of the table that were 0.
Status RefcountEditor::PublishBlocks(IoChannel& io) {
  if (new_blocks_.empty()) return OkStatus();
  const uint64_t first = new_blocks_.front();
  const std::vector<Be64> entries(table_.begin() + static_cast<ptrdiff_t>(first),
                                  table_.begin() + static_cast<ptrdiff_t>(new_blocks_.back() + 1));
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, table_offset_ + first * sizeof(Be64),
                                   std::as_bytes(std::span(entries)), "the refcount table"));
  return Flush(io, file_.slot);
}

Status RefcountEditor::PublishTable(IoChannel& io) {
  std::vector<Be64> entries(table_.begin(), table_.end());
  entries.resize(new_table_clusters_ * cluster_size_ / sizeof(Be64));
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, new_table_offset_,
                                   std::as_bytes(std::span(entries)), "the refcount table"));
  HOTCELL_RETURN_IF_ERROR(Flush(io, file_.slot));
  struct {
    Be64 refcount_table_offset;
    Be32 refcount_table_clusters;
  } fields = {.refcount_table_offset = new_table_offset_,
              .refcount_table_clusters = static_cast<uint32_t>(new_table_clusters_)};
  static_assert(offsetof(Header, refcount_table_clusters) ==
                offsetof(Header, refcount_table_offset) + sizeof(Be64));
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, offsetof(Header, refcount_table_offset),
                                   std::as_bytes(std::span(&fields, 1)), "the header"));
  old_table_offset_ = table_offset_;
  old_table_clusters_ = table_clusters_;
  table_offset_ = new_table_offset_;
  table_clusters_ = new_table_clusters_;
  return Flush(io, file_.slot);
}

Result<uint64_t> RefcountEditor::Reserve(IoChannel& io, uint64_t count) {
  HOTCELL_RETURN_IF_ERROR(LoadTable(io));
  const Result<uint64_t> begin = FindEnd(io);
  if (!begin.ok()) return begin.status();
  Range range = {.begin = *begin, .end = *begin + count};
  if (range.end / entries_per_block_ > kMaxRefcountTableBytes / sizeof(Be64)) return TooLarge();
  AddBlocks(range);
  HOTCELL_RETURN_IF_ERROR(AddTable(range));
  const uint64_t bytes = range.end * cluster_size_;
  if (!device_) {
    const IoResult sized = io.SetSize(file_.slot, bytes);
    if (!sized.ok()) return IoError(sized, StrCat("make the image ", bytes, " bytes long"));
    file_.size = bytes;
  } else if (bytes > file_.size) {
    return LimitExceeded(
        StrCat("qcow2: the device has ", file_.size, " bytes, and the image needs ", bytes));
  }
  HOTCELL_RETURN_IF_ERROR(WriteBlocks(io, range));
  HOTCELL_RETURN_IF_ERROR(new_table_offset_ != 0 ? PublishTable(io) : PublishBlocks(io));
  return *begin * cluster_size_;
}

Status RefcountEditor::Release(IoChannel& io, uint64_t offset, uint64_t count) {
  HOTCELL_RETURN_IF_ERROR(LoadTable(io));
  uint64_t cluster = offset / cluster_size_;
  const uint64_t last = cluster + count;
  while (cluster < last) {
    const uint64_t block = cluster / entries_per_block_;
    const uint64_t first = block * entries_per_block_;
    const uint64_t end = std::min(last, first + entries_per_block_);
    if (block < table_.size() && table_[block] != 0) {
      HOTCELL_RETURN_IF_ERROR(ReadBlock(io, block));
      for (uint64_t i = cluster - first; i < end - first; ++i) {
        const uint64_t users = GetRefcount(bytes_, refcount_order_, i);
        if (users > 0) SetRefcount(bytes_, refcount_order_, i, users - 1);
      }
      HOTCELL_RETURN_IF_ERROR(WriteAll(io, file_.slot, table_[block], bytes_, kBlockName));
    }
    cluster = end;
  }
  return OkStatus();
}

Status RefcountEditor::ReleaseOldTable(IoChannel& io) {
  if (old_table_offset_ == 0) return OkStatus();
  return Release(io, old_table_offset_, old_table_clusters_);
}

}  // namespace hotcell::guest::qcow2
