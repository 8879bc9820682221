#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "guest/formats/qed/header.h"
#include "guest/formats/qed/on_disk.h"
#include "guest/formats/qed/qed.h"

namespace hotcell::guest {
namespace qed {
namespace {

using Kind = CheckFinding::Kind;

// Clusters of a file that is checked: 8 MiB of bits, 4 TiB with the default cluster size.
constexpr uint64_t kMaxClusters = uint64_t{1} << 26;
constexpr uint64_t kPieceBytes = 64 << 10;

class Checker {
 public:
  Checker(IoChannel& io, const TwoLevelLayout& layout, bool on_device)
      : io_(io),
        layout_(layout),
        on_device_(on_device),
        clusters_(layout.file.size / layout.cluster_size),
        table_clusters_(layout.l2_bytes() / layout.cluster_size) {}

  Result<CheckResult> Run() {
    if (clusters_ > kMaxClusters) {
      return LimitExceeded(StrCat("qed: the file has ", clusters_, " clusters, more than the ",
                                  kMaxClusters, " of a file that can be checked"));
    }
    if (!CanBeTable(layout_.l1_offset)) {
      return CorruptImage(StrCat("qed: the L1 table at ", Hex(layout_.l1_offset),
                                 " overlaps the header or reaches past the end of the file (",
                                 layout_.file.size, " bytes)"));
    }
    used_.resize(clusters_);
    Claim(layout_.l1_offset, table_clusters_, "the L1 table");
    result_.total_clusters = layout_.virtual_size / layout_.cluster_size +
                             (layout_.virtual_size % layout_.cluster_size != 0 ? 1 : 0);
    const Status l1 =
        ForEachEntry(layout_.l1_offset, "the L1 table", [this](uint64_t index, uint64_t entry) {
          if (entry != 0) CheckL2Table(index, entry);
        });
    if (!l1.ok()) return l1;
    // What a table that could not be read claims would seem to be lost.
    if (result_.check_errors == 0) CountLeaks();
    return std::move(result_);
  }

 private:
  template <typename F>
  Status ForEachEntry(uint64_t table, std::string_view what, F use) {
    std::vector<Le64> piece(kPieceBytes / sizeof(Le64));
    for (uint64_t first = 0; first < layout_.l2_entries; first += piece.size()) {
      const std::span entries =
          std::span(piece).first(std::min<uint64_t>(piece.size(), layout_.l2_entries - first));
      HOTCELL_RETURN_IF_ERROR(ReadExact(io_, layout_.file, table + first * sizeof(Le64),
                                        std::as_writable_bytes(entries), what));
      for (size_t i = 0; i < entries.size(); ++i) use(first + i, entries[i]);
    }
    return OkStatus();
  }

  // Whether a cluster may lie at `offset`. One that the file's end cuts is none, as in QEMU.
  bool CanBeCluster(uint64_t offset) const {
    return offset % layout_.cluster_size == 0 && offset >= layout_.header.size &&
           offset / layout_.cluster_size < clusters_;
  }
  bool CanBeTable(uint64_t offset) const {
    const uint64_t last = (table_clusters_ - 1) * layout_.cluster_size;
    return offset <= UINT64_MAX - last && CanBeCluster(offset) && CanBeCluster(offset + last);
  }

  // False: some of the clusters are another structure's.
  bool Claim(uint64_t offset, uint64_t count, std::string_view what) {
    bool free = true;
    const uint64_t begin = offset / layout_.cluster_size;
    for (uint64_t cluster = begin; cluster < begin + count; ++cluster) {
      if (used_[cluster]) {
        result_.Add(Kind::kCorruption, [&] {
          return StrCat("qed: the cluster at ", Hex(cluster * layout_.cluster_size), " of ", what,
                        " is also claimed by another structure");
        });
        free = false;
      }
      used_[cluster] = true;
    }
    return free;
  }

  void CheckL2Table(uint64_t l1_index, uint64_t table) {
    const std::string what = StrCat("the L2 table of L1 entry ", l1_index);
    if (!CanBeTable(table)) {
      result_.Add(Kind::kCorruption,
                  StrCat("qed: ", what, " lies at ", Hex(table), ", where no table can"));
      return;
    }
    if (!Claim(table, table_clusters_, what)) return;
    uint64_t last = 0;
    const Status read = ForEachEntry(table, what, [&](uint64_t index, uint64_t entry) {
      if (entry == 0 || entry == kZeroCluster) return;
      ++result_.allocated_clusters;
      if (last != 0 && last + layout_.cluster_size != entry) ++result_.fragmented_clusters;
      last = entry;
      CheckCluster(l1_index * layout_.l2_entries + index, entry);
    });
    if (!read.ok()) result_.Add(Kind::kCheckError, StrCat("qed: ", what, ": ", read.message()));
  }

  void CheckCluster(uint64_t number, uint64_t offset) {
    const std::string what = StrCat("cluster ", number, " of the disk");
    if (CanBeCluster(offset)) {
      Claim(offset, 1, what);
    } else {
      result_.Add(Kind::kCorruption,
                  StrCat("qed: ", what, " lies at ", Hex(offset), ", where no cluster can"));
    }
  }

  void CountLeaks() {
    uint64_t end = clusters_;
    while (on_device_ && end > 0 && !used_[end - 1]) --end;
    for (uint64_t cluster = layout_.header.size / layout_.cluster_size; cluster < end; ++cluster) {
      if (used_[cluster]) continue;
      result_.Add(Kind::kLeak, [&] {
        return StrCat("qed: nothing claims the cluster at ", Hex(cluster * layout_.cluster_size));
      });
    }
  }

  IoChannel& io_;
  const TwoLevelLayout layout_;
  const bool on_device_;
  const uint64_t clusters_;  // whole ones in the file
  const uint64_t table_clusters_;
  std::vector<bool> used_;
  CheckResult result_;
};

}  // namespace
}  // namespace qed

Result<CheckResult> CheckQed(IoChannel& io, const FileHandle& file, const OpenOptions& options) {
  auto header = qed::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  return qed::Checker(io, header->layout, options.on_device).Run();
}

}  // namespace hotcell::guest
