#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/vhdx/layout.h"
#include "guest/formats/vhdx/vhdx.h"

namespace hotcell::guest {
namespace vhdx {
namespace {

using Kind = CheckFinding::Kind;

// Blocks that are compared with each other at once: those of the largest disk in the blocks that
// are chosen for it.
constexpr size_t kMaxCompared = 1 << 20;
constexpr size_t kEntriesAtOnce = 8192;
// Enough to say that space is lost; a sparse file of nothing else could take hours to count.
constexpr uint64_t kMaxLeaks = 1 << 20;

class Checker {
 public:
  Checker(IoChannel& io, const Layout& layout, bool on_device)
      : io_(io), layout_(layout), on_device_(on_device) {
    for (const FileRegion& region : layout.regions) {
      end_of_metadata_ = std::max(end_of_metadata_, region.offset + region.size);
    }
  }

  Result<CheckResult> Run() {
    for (const std::string& warning : layout_.warnings) result_.Add(Kind::kCorruption, warning);
    result_.needs_replay = layout_.file->has_log();
    HOTCELL_RETURN_IF_ERROR(CheckTable());
    CheckEnd();
    return std::move(result_);
  }

 private:
  // A block of the file: a payload block or, where `number` has kIsBitmap, the sector bitmap of a
  // chunk.
  struct Block {
    uint32_t offset_mib;
    uint32_t number;
  };
  static constexpr uint32_t kIsBitmap = 1u << 31;

  Status CheckTable();
  void CheckPayload(uint64_t block, uint64_t entry);
  void CheckBitmap(uint64_t block, uint64_t entry);
  void AddBlock(uint64_t entry, uint64_t number);
  uint64_t SizeOf(const Block& block) const {
    return (block.number & kIsBitmap) != 0 ? kSectorBitmapSize : layout_.metadata.block_size;
  }
  std::string NameOf(const Block& block) const {
    const bool is_bitmap = (block.number & kIsBitmap) != 0;
    return StrCat(is_bitmap ? "the sector bitmap of chunk " : "block ", block.number & ~kIsBitmap,
                  " at ", Hex(block.offset_mib * kMiB));
  }
  void CompareBlocks();
  void CheckSpace(uint64_t begin, uint64_t end);
  void CheckEnd();

  IoChannel& io_;
  const Layout& layout_;
  const bool on_device_;
  CheckResult result_;
  std::vector<Block> blocks_;
  bool partial_in_chunk_ = false;
  bool compared_in_parts_ = false;
  uint64_t end_of_metadata_ = 0;
  uint64_t end_ = 0;  // of the blocks
};

Status Checker::CheckTable() {
  result_.total_clusters = layout_.payload_blocks;
  std::vector<uint64_t> entries;
  for (uint64_t first = 0; first < layout_.bat_entries; first += entries.size()) {
    entries.resize(std::min<uint64_t>(kEntriesAtOnce, layout_.bat_entries - first));
    HOTCELL_RETURN_IF_ERROR(layout_.ReadBat(io_, first, entries));
    for (size_t i = 0; i < entries.size(); ++i) {
      const uint64_t chunk = (first + i) / (layout_.chunk_ratio + 1);
      const uint64_t in_chunk = (first + i) % (layout_.chunk_ratio + 1);
      if (in_chunk == layout_.chunk_ratio) {
        CheckBitmap(chunk * layout_.chunk_ratio, entries[i]);
      } else if (chunk * layout_.chunk_ratio + in_chunk < layout_.payload_blocks) {
        CheckPayload(chunk * layout_.chunk_ratio + in_chunk, entries[i]);
      }
    }
  }
  CompareBlocks();
  return OkStatus();
}

void Checker::CheckPayload(uint64_t block, uint64_t entry) {
  const uint64_t state = entry & kStateMask;
  if (state == kBlockReserved) {
    result_.Add(Kind::kCorruption,
                StrCat("vhdx: block ", block, " is in state ", state, ", which means nothing"));
  }
  if (state != kBlockFullyPresent && state != kBlockPartiallyPresent) return;
  ++result_.allocated_clusters;
  if (state == kBlockPartiallyPresent) {
    partial_in_chunk_ = true;
    if (!layout_.metadata.parent) {
      result_.Add(Kind::kCorruption,
                  StrCat("vhdx: block ", block, " is partly in the parent, but the disk has none"));
    }
  }
  if (const Status status = layout_.CheckPayload(block, entry); !status.ok()) {
    result_.Add(Kind::kCorruption, status.message());
  } else {
    AddBlock(entry, block);
  }
}

// Without a parent the entries mean nothing, and QEMU before 8.1 leaves other things there.
void Checker::CheckBitmap(uint64_t block, uint64_t entry) {
  const bool needed = std::exchange(partial_in_chunk_, false);
  if (!layout_.metadata.parent) return;
  const bool present = (entry & kStateMask) == kBitmapPresent;
  if (!present && needed) {
    result_.Add(Kind::kCorruption,
                StrCat("vhdx: blocks from ", block,
                       " on are partly in the parent, but their sector bitmap is not there"));
  }
  if (!present) return;
  if (const Status status = layout_.CheckBitmap(block, entry); !status.ok()) {
    result_.Add(Kind::kCorruption, status.message());
  } else {
    AddBlock(entry, block / layout_.chunk_ratio | kIsBitmap);
  }
}

// Precondition: it lies within the file, whose size in MiB has 32 bits on any host.
void Checker::AddBlock(uint64_t entry, uint64_t number) {
  if (blocks_.size() == kMaxCompared) {
    compared_in_parts_ = true;
    CompareBlocks();
  }
  blocks_.push_back({.offset_mib = static_cast<uint32_t>(entry >> kOffsetShift),
                     .number = static_cast<uint32_t>(number)});
}

void Checker::CompareBlocks() {
  std::sort(blocks_.begin(), blocks_.end(), [](const Block& a, const Block& b) {
    return std::pair(a.offset_mib, a.number) < std::pair(b.offset_mib, b.number);
  });
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const uint64_t begin = blocks_[i].offset_mib * kMiB;
    end_ = std::max(end_, begin + SizeOf(blocks_[i]));
    if (i == 0) continue;  // where the first block goes is the writer's choice
    const uint64_t before = blocks_[i - 1].offset_mib * kMiB + SizeOf(blocks_[i - 1]);
    if (before <= begin) {
      CheckSpace(before, begin);
      continue;
    }
    result_.Add(Kind::kCorruption,
                StrCat("vhdx: ", NameOf(blocks_[i]), " overlaps ", NameOf(blocks_[i - 1])));
  }
  blocks_.clear();
}

// Counts the blocks that would fit into a part of the file that nothing uses.
void Checker::CheckSpace(uint64_t begin, uint64_t end) {
  if (compared_in_parts_) return;  // blocks of another part may be there
  const uint64_t size = layout_.metadata.block_size;
  for (uint64_t at = begin; at < end && end - at >= size && result_.leaks < kMaxLeaks; at += size) {
    if (FindOverlap(layout_.regions, at, size) != nullptr) continue;
    result_.Add(Kind::kLeak, [&] {
      return StrCat("vhdx: the space of a block at ", Hex(at), " is not in use");
    });
  }
}

void Checker::CheckEnd() {
  // QEMU's first block goes to a multiple of this, where its new files end: that much is no loss.
  constexpr uint64_t kFirstBlock = 8 * kMiB;
  const uint64_t size = layout_.file->file().size;
  const bool is_new = end_ == 0 && size == AlignUp(end_of_metadata_, kFirstBlock);
  if (!is_new && !on_device_) CheckSpace(std::max(end_, end_of_metadata_), size);
  result_.image_end_offset = layout_.file->size();
  if (!compared_in_parts_) return;
  result_.Add(Kind::kCheckError, StrCat("vhdx: the disk has more than ", kMaxCompared,
                                        " blocks; not all of them were compared with each other"));
}

}  // namespace
}  // namespace vhdx

Result<CheckResult> CheckVhdx(IoChannel& io, const FileHandle& file, const OpenOptions& options) {
  const auto layout = vhdx::ReadLayout(io, file);
  if (!layout.ok()) return layout.status();
  return vhdx::Checker(io, *layout, options.on_device).Run();
}

}  // namespace hotcell::guest
