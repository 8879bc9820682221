#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/block_table.h"
#include "guest/formats/parallels/header.h"
#include "guest/formats/parallels/parallels.h"

namespace hotcell::guest {
namespace parallels {
namespace {

constexpr size_t kEntriesAtOnce = 4096;
// 8 MiB of bits.
constexpr uint64_t kMaxCheckedClusters = 64 << 20;

class Checker {
 public:
  Checker(const FileHandle& file, const ImageHeader& header, bool on_device)
      : file_(file),
        header_(header),
        on_device_(on_device),
        bat_(file, sizeof(Header), header.bat_entries, "parallels", "the BAT"),
        image_end_(header.data_offset),
        used_(ClustersInFile()) {}

  // Clusters that could start in the data area of the file.
  static uint64_t ClustersIn(const FileHandle& file, const ImageHeader& header) {
    if (file.size <= header.data_offset) return 0;
    return DivideUp(file.size - header.data_offset, header.cluster_size);
  }

  Result<CheckResult> Run(IoChannel& io) {
    if (header_.in_use) AddCorruption("the image was not closed correctly");
    if (!header_.data_offset_right) AddCorruption("the data_off field has an incorrect value");
    std::array<uint32_t, kEntriesAtOnce> entries;
    for (uint64_t cluster = 0; cluster < header_.bat_entries;) {
      const auto count = bat_.Read(io, cluster, entries);
      if (!count.ok()) return count.status();
      for (size_t i = 0; i < *count; ++i) CheckEntry(cluster + i, entries[i]);
      cluster += *count;
    }
    result_.total_clusters = header_.bat_entries;
    result_.image_end_offset = image_end_;
    CheckEnd();
    return std::move(result_);
  }

 private:
  uint64_t ClustersInFile() const { return ClustersIn(file_, header_); }

  void AddCorruption(std::string text) {
    result_.Add(CheckFinding::Kind::kCorruption, std::move(text));
  }

  void CheckEntry(uint64_t cluster, uint32_t entry) {
    const uint64_t offset = entry * header_.entry_unit;
    const uint64_t previous = std::exchange(previous_, 0);
    if (offset == 0) return;
    if (offset > file_.size || header_.cluster_size > file_.size - offset) {
      AddCorruption(StrCat("cluster ", cluster, " is outside image"));
      return;
    }
    if (offset < header_.data_offset) {
      AddCorruption(StrCat("cluster ", cluster, " is before the data area, at ", Hex(offset)));
      return;
    }
    const uint64_t index = (offset - header_.data_offset) / header_.cluster_size;
    if (used_[index]) AddCorruption(StrCat("duplicate offset in BAT entry ", cluster));
    used_[index] = true;
    ++result_.allocated_clusters;
    if (previous != 0 && previous + header_.cluster_size != offset) ++result_.fragmented_clusters;
    previous_ = offset;
    image_end_ = std::max(image_end_, offset + header_.cluster_size);
  }

  void CheckEnd() {
    uint64_t end = image_end_;
    if (header_.extension_offset != 0) {
      if (!header_.extension_end) return;  // it may all be the extension's
      end = std::max(end, *header_.extension_end);
    }
    if (file_.size <= end || on_device_) return;
    const uint64_t left = file_.size - end;
    result_.Add(CheckFinding::Kind::kLeak,
                StrCat("space leaked at the end of the image: ", left, " bytes"));
    // Each cluster counts as one leak, as in qemu-img.
    result_.leaks = DivideUp(left, header_.cluster_size);
  }

  const FileHandle file_;
  const ImageHeader header_;
  const bool on_device_;
  BlockTable bat_;
  uint64_t previous_ = 0;  // offset of the cluster of the BAT entry before; 0: it is nowhere
  uint64_t image_end_;
  std::vector<bool> used_;
  CheckResult result_;
};

}  // namespace
}  // namespace parallels

Result<CheckResult> CheckParallels(IoChannel& io, const FileHandle& file,
                                   const OpenOptions& options) {
  const auto header = parallels::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("parallels", header->virtual_size, options));
  const uint64_t clusters = parallels::Checker::ClustersIn(file, *header);
  if (clusters > parallels::kMaxCheckedClusters) {
    return LimitExceeded(StrCat("parallels: the file has room for ", clusters,
                                " clusters; no more than ", parallels::kMaxCheckedClusters,
                                " can be checked"));
  }
  return parallels::Checker(file, *header, options.on_device).Run(io);
}

}  // namespace hotcell::guest
