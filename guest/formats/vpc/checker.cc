#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/piece_cache.h"
#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/layout.h"
#include "guest/formats/vpc/vpc.h"

namespace hotcell::guest {
namespace vpc {
namespace {

using Kind = CheckFinding::Kind;

// Blocks that are compared with each other at once: those of the largest disk in blocks of 2 MiB.
constexpr size_t kMaxCompared = 1 << 20;
constexpr size_t kEntriesAtOnce = 16384;
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
    if (layout_.disk_type == kTypeFixed) return std::move(result_);
    HOTCELL_RETURN_IF_ERROR(CheckTable());
    CheckEnd();
    return std::move(result_);
  }

 private:
  struct Block {
    uint32_t sector;
    uint32_t number;
  };

  Status CheckTable();
  void CheckEntry(uint64_t block, uint32_t sector);
  void CompareBlocks();
  void CheckSpace(uint64_t begin, uint64_t end);
  void CheckEnd();

  IoChannel& io_;
  const Layout& layout_;
  const bool on_device_;
  CheckResult result_;
  std::vector<Block> blocks_;
  uint64_t end_of_metadata_ = 0;
  uint64_t end_ = 0;  // of the blocks
  bool compared_in_parts_ = false;
};

Status Checker::CheckTable() {
  result_.total_clusters = layout_.table_entries;
  std::vector<Be32> entries;
  for (uint64_t first = 0; first < layout_.table_entries; first += entries.size()) {
    entries.resize(std::min<uint64_t>(kEntriesAtOnce, layout_.table_entries - first));
    HOTCELL_RETURN_IF_ERROR(
        ReadExact(io_, layout_.file, layout_.table_offset + first * sizeof(Be32),
                  std::as_writable_bytes(std::span(entries)), "vpc: the block allocation table"));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i] != kUnallocated) CheckEntry(first + i, entries[i]);
    }
  }
  CompareBlocks();
  return OkStatus();
}

void Checker::CheckEntry(uint64_t block, uint32_t sector) {
  ++result_.allocated_clusters;
  if (const Status status = layout_.CheckBlock(block, sector); !status.ok()) {
    result_.Add(Kind::kCorruption, status.message());
    return;
  }
  end_ = std::max(end_, sector * kSectorSize + layout_.bitmap_size + layout_.block_size);
  if (blocks_.size() == kMaxCompared) {
    compared_in_parts_ = true;
    CompareBlocks();
  }
  blocks_.push_back({.sector = sector, .number = static_cast<uint32_t>(block)});
}

void Checker::CompareBlocks() {
  std::sort(blocks_.begin(), blocks_.end(), [](const Block& a, const Block& b) {
    return std::pair(a.sector, a.number) < std::pair(b.sector, b.number);
  });
  const uint64_t size = layout_.bitmap_size + layout_.block_size;
  if (!blocks_.empty()) CheckSpace(end_of_metadata_, blocks_.front().sector * kSectorSize);
  for (size_t i = 1; i < blocks_.size(); ++i) {
    const uint64_t begin = blocks_[i].sector * kSectorSize;
    const uint64_t before = blocks_[i - 1].sector * kSectorSize;
    if (before + size <= begin) {
      CheckSpace(before + size, begin);
      continue;
    }
    result_.Add(Kind::kCorruption,
                StrCat("vpc: block ", blocks_[i].number, " at ", Hex(begin), " overlaps block ",
                       blocks_[i - 1].number, " at ", Hex(before)));
  }
  blocks_.clear();
}

// Counts the blocks that would fit into a part of the file that no block uses.
void Checker::CheckSpace(uint64_t begin, uint64_t end) {
  if (compared_in_parts_) return;  // blocks of another part may be there
  const uint64_t size = layout_.bitmap_size + layout_.block_size;
  for (uint64_t at = begin; at < end && end - at >= size && result_.leaks < kMaxLeaks; at += size) {
    if (FindOverlap(layout_.regions, at, size) != nullptr) continue;
    result_.Add(Kind::kLeak,
                [&] { return StrCat("vpc: the space of a block at ", Hex(at), " is not in use"); });
  }
}

void Checker::CheckEnd() {
  if (!on_device_) CheckSpace(std::max(end_, end_of_metadata_), layout_.blocks_end);
  result_.image_end_offset = layout_.file.size;
  if (!compared_in_parts_) return;
  result_.Add(Kind::kCheckError, StrCat("vpc: the disk has more than ", kMaxCompared,
                                        " blocks; not all of them were compared with each other"));
}

}  // namespace
}  // namespace vpc

Result<CheckResult> CheckVpc(IoChannel& io, const FileHandle& file, const OpenOptions& options) {
  const auto footers = vpc::ReadFooters(io, file);
  if (!footers.ok()) return footers.status();
  const auto layout = vpc::ReadLayout(io, file, *footers);
  if (!layout.ok()) return layout.status();
  return vpc::Checker(io, *layout, options.on_device).Run();
}

}  // namespace hotcell::guest
