#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/block_table.h"
#include "guest/formats/vdi/header.h"
#include "guest/formats/vdi/on_disk.h"
#include "guest/formats/vdi/vdi.h"

namespace hotcell::guest {
namespace vdi {
namespace {

constexpr size_t kEntriesAtOnce = 4096;

class Checker {
 public:
  Checker(const FileHandle& file, const ImageHeader& header)
      : file_(file),
        header_(header),
        map_(file, header.map_offset, header.blocks, "vdi", "the block map"),
        used_(header.blocks) {}

  Result<CheckResult> Run(IoChannel& io) {
    std::array<uint32_t, kEntriesAtOnce> entries;
    for (uint64_t block = 0; block < header_.blocks;) {
      const auto count = map_.Read(io, block, entries);
      if (!count.ok()) return count.status();
      for (size_t i = 0; i < *count; ++i) CheckEntry(block + i, entries[i]);
      block += *count;
    }
    if (allocated_ != header_.blocks_allocated) {
      AddCorruption(StrCat("allocated blocks mismatch, is ", allocated_, ", should be ",
                           header_.blocks_allocated));
    }
    return std::move(result_);
  }

 private:
  void AddCorruption(std::string text) {
    result_.Add(CheckFinding::Kind::kCorruption, std::move(text));
  }

  void CheckEntry(uint64_t block, uint32_t entry) {
    if (!IsAllocated(entry)) return;
    if (entry >= header_.blocks) {
      AddCorruption(StrCat("block index ", block, " too large, is ", entry));
      return;
    }
    ++allocated_;
    if (used_[entry]) {
      AddCorruption(StrCat("block index ", block, " uses block ", entry, ", as another does"));
      return;
    }
    used_[entry] = true;
    // qemu-img does not look. The part of the last block beyond the disk's end may be missing.
    const uint64_t begin = header_.data_offset + entry * kBlockSize;
    const uint64_t on_disk = std::min(block * kBlockSize, header_.virtual_size);
    const uint64_t length = std::min(kBlockSize, header_.virtual_size - on_disk);
    if (begin > file_.size || length > file_.size - begin) {
      AddCorruption(StrCat("block index ", block, " is past the end of the file, at ", Hex(begin)));
    }
  }

  const FileHandle file_;
  const ImageHeader header_;
  BlockTable map_;
  std::vector<bool> used_;
  uint32_t allocated_ = 0;
  CheckResult result_;
};

// 8 MiB of bits.
constexpr uint32_t kMaxCheckedBlocks = 64 << 20;

}  // namespace
}  // namespace vdi

Result<CheckResult> CheckVdi(IoChannel& io, const FileHandle& file, const OpenOptions& options) {
  const auto header = vdi::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("vdi", header->virtual_size, options));
  if (header->blocks > vdi::kMaxCheckedBlocks) {
    return LimitExceeded(StrCat("vdi: the block map has ", header->blocks,
                                " entries; no more than ", vdi::kMaxCheckedBlocks,
                                " can be checked"));
  }
  return vdi::Checker(file, *header).Run(io);
}

}  // namespace hotcell::guest
