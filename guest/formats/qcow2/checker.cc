#include "guest/formats/qcow2/checker.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/qcow2/cluster_counts.h"
#include "guest/formats/qcow2/finding_log.h"
#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/l2_checker.h"
#include "guest/formats/qcow2/l2_table_list.h"
#include "guest/formats/qcow2/refcount_reader.h"
#include "guest/formats/qcow2/snapshots.h"
#include "guest/formats/qcow2/table_scan.h"

namespace hotcell::guest {
namespace qcow2 {
namespace {

constexpr uint64_t kMaxClusters = INT32_MAX;
// Each pass reads the tables again. 16 TiB in clusters of 64 KiB need as many.
constexpr uint32_t kMaxPasses = 64;
// 100 snapshots of a disk of 80 TiB, in clusters of 64 KiB, have as many.
constexpr uint64_t kMaxListedL1Bytes = 128 << 20;
constexpr uint32_t kMinSnapshotExtra = 16;  // of version 3: vm_state_size_large and disk_size

class Checker {
 public:
  Checker(IoChannel& io, const FileHandle& file, const ImageHeader& header,
          const SnapshotTable& snapshots, const std::vector<Bitmap>& bitmaps)
      : io_(io),
        file_(file),
        header_(header),
        snapshots_(snapshots),
        bitmaps_(bitmaps),
        log_(result_),
        counts_(header.cluster_bits, static_cast<uint32_t>(std::countr_zero(header.refcount_bits)),
                file.size, log_),
        refcounts_(header, file),
        tables_(header.cluster_size) {}

  Result<CheckResult> Run();

 private:
  void CheckSnapshotEntries();
  Status CheckBitmapEntries();
  Status ListL2Tables();
  Status ListL1Table(uint64_t offset, uint64_t entries, bool active);
  bool CanHaveL1(const Snapshot& snapshot) const;

  Status Pass(uint64_t window);
  Status CountClaims(L2Checker& l2);
  Status CountBitmaps();
  Status CountRefcountBlocks();
  Status CompareRefcounts();
  void CompareOne(uint64_t cluster, uint64_t refcount);
  void CheckSharedMetadata();
  void CheckSharedRegion(const Region& region);
  Status CheckL1CopiedFlags(L2Checker& l2);
  // The next window with claims or with refcounts.
  Result<uint64_t> NextWindow();

  IoChannel& io_;
  const FileHandle& file_;
  const ImageHeader& header_;
  const SnapshotTable& snapshots_;
  const std::vector<Bitmap>& bitmaps_;

  CheckResult result_;
  FindingLog log_;
  ClusterCounts counts_;
  RefcountReader refcounts_;
  L2TableList tables_;
  uint64_t l1_bytes_ = 0;          // of all L1 tables listed
  std::vector<Refcount> on_disk_;  // of the window's clusters
  uint64_t end_ = 1;               // the first cluster after the last one in use
};

void Checker::CheckSnapshotEntries() {
  for (size_t i = 0; i < snapshots_.snapshots.size(); ++i) {
    const Snapshot& snapshot = snapshots_.snapshots[i];
    if (header_.version >= 3 && snapshot.extra_data_size < kMinSnapshotExtra) {
      log_.Corruption(1,
                      [&] { return StrCat("ERROR snapshot table entry ", i, " is incomplete"); });
    }
  }
  if (header_.has_data_file() && !snapshots_.snapshots.empty()) {
    log_.Corruption(1, [&] {
      return StrCat("ERROR ", snapshots_.snapshots.size(), " snapshots in image with data file");
    });
  }
  for (const Snapshot& snapshot : snapshots_.snapshots) {
    if (CanHaveL1(snapshot)) continue;
    const bool aligned = snapshot.l1_offset % header_.cluster_size == 0;
    log_.Corruption(1, [&] {
      return StrCat(
          "ERROR snapshot ", snapshot.info.id, " (", snapshot.info.name, ") ",
          aligned ? "l1_size=" : "l1_offset=", Hex(aligned ? snapshot.l1_size : snapshot.l1_offset),
          ": L1 table is ", aligned ? "too large" : "not cluster aligned",
          "; snapshot table entry corrupted");
    });
  }
}

bool Checker::CanHaveL1(const Snapshot& snapshot) const {
  return snapshot.l1_offset % header_.cluster_size == 0 && snapshot.l1_size <= kMaxL1Bytes / 8;
}

// Looks no further than is needed to count what the tables claim in bounded time.
Status Checker::CheckBitmapEntries() {
  uint64_t bytes = 0;
  for (const Bitmap& bitmap : bitmaps_) {
    bytes += bitmap.table_size * uint64_t{8};
    if (bitmap.table_offset == 0 || bitmap.table_offset % header_.cluster_size != 0 ||
        bitmap.table_size == 0) {
      return CorruptImage(StrCat("qcow2: the table of bitmap '", bitmap.info.name, "' at ",
                                 Hex(bitmap.table_offset), " (", bitmap.table_size,
                                 " entries) is not valid"));
    }
  }
  if (bytes <= file_.size) return OkStatus();
  return CorruptImage(StrCat("qcow2: the tables of the bitmaps have ", bytes,
                             " bytes, more than the file (", file_.size, " bytes)"));
}

Status Checker::ListL1Table(uint64_t offset, uint64_t entries, bool active) {
  l1_bytes_ += std::min(entries * 8, file_.size - std::min(offset, file_.size));
  if (l1_bytes_ > kMaxListedL1Bytes) {
    return LimitExceeded(StrCat("qcow2: the L1 tables of the snapshots have more than ",
                                kMaxListedL1Bytes, " bytes, too many to be checked"));
  }
  if (l1_bytes_ > file_.size + kMaxL1Bytes) {
    return CorruptImage(
        StrCat("qcow2: the L1 tables of the snapshots have more bytes than the file (", file_.size,
               " bytes): they overlap"));
  }
  Status listed;
  HOTCELL_RETURN_IF_ERROR(ForEachWord(
      io_, file_, offset, entries, "read an L1 table", [&](uint64_t /*index*/, uint64_t entry) {
        if (entry == 0 || !listed.ok()) return;
        const uint64_t table = entry & kOffsetMask;
        if ((entry & kL1EntryReserved) != 0) {
          log_.Corruption(1, [&] {
            return StrCat("ERROR found L1 entry with reserved bits set: ", HexDigits(entry));
          });
        }
        if (table % header_.cluster_size != 0) {
          log_.Corruption(1, [&] {
            return StrCat("ERROR l2_offset=", HexDigits(table),
                          ": Table is not cluster aligned; L1 entry corrupted");
          });
        }
        listed = tables_.Add(table, active);
      }));
  return listed;
}

Status Checker::ListL2Tables() {
  HOTCELL_RETURN_IF_ERROR(ListL1Table(header_.l1_offset, header_.l1_size, true));
  for (const Snapshot& snapshot : snapshots_.snapshots) {
    if (!CanHaveL1(snapshot)) continue;
    HOTCELL_RETURN_IF_ERROR(ListL1Table(snapshot.l1_offset, snapshot.l1_size, false));
  }
  return tables_.Finish(io_, file_);
}

Status Checker::CountBitmaps() {
  if (!header_.bitmaps) return OkStatus();
  counts_.Add(header_.bitmaps->offset, header_.bitmaps->size, 1);
  for (const Bitmap& bitmap : bitmaps_) {
    counts_.Add(bitmap.table_offset, bitmap.table_size * uint64_t{8}, 1);
    HOTCELL_RETURN_IF_ERROR(
        ForEachWord(io_, file_, bitmap.table_offset, bitmap.table_size, "read a bitmap table",
                    [&](uint64_t index, uint64_t entry) {
                      const uint64_t offset = entry & kOffsetMask;
                      const bool valid = (entry & kBitmapEntryReserved) == 0 &&
                                         offset % header_.cluster_size == 0 &&
                                         (offset == 0 || (entry & kBitmapAllOnes) == 0);
                      if (valid) {
                        if (offset != 0) counts_.Add(offset, header_.cluster_size, 1);
                      } else if (counts_.first_pass()) {
                        log_.Corruption(1, [&] {
                          return StrCat("ERROR bitmap '", bitmap.info.name, "' table entry ", index,
                                        " is not valid: ", HexDigits(entry));
                        });
                      }
                    }));
  }
  return OkStatus();
}

// Last: a block must not be anything else.
Status Checker::CountRefcountBlocks() {
  return ForEachWord(
      io_, file_, header_.refcount_table_offset, header_.refcount_table_size / 8,
      "read the refcount table", [&](uint64_t index, uint64_t entry) {
        if (entry == 0) return;
        const uint64_t cluster = (entry & kRefcountBlockMask) / header_.cluster_size;
        const char* wrong = nullptr;
        if ((entry & ~kRefcountBlockMask) != 0) {
          wrong = "ERROR refcount table entry %ld has reserved bits set";
        } else if (entry % header_.cluster_size != 0) {
          wrong = "ERROR refcount block %ld is not cluster aligned; refcount table entry corrupted";
        } else if (cluster >= counts_.clusters()) {
          wrong = "ERROR refcount block %ld is outside image";
        }
        if (wrong != nullptr) {
          if (!counts_.first_pass()) return;
          log_.Corruption(1, [&] {
            const std::string_view text = wrong;
            const size_t place = text.find("%ld");
            return StrCat(text.substr(0, place), index, text.substr(place + 3));
          });
          return;
        }
        counts_.Add(entry, header_.cluster_size, 1);
        if (cluster < counts_.begin() || cluster >= counts_.end()) return;
        if (counts_.count(cluster) == 1) return;
        log_.Corruption(1, [&] {
          return StrCat("ERROR refcount block ", index, " refcount=", counts_.count(cluster));
        });
      });
}

Status Checker::CountClaims(L2Checker& l2) {
  counts_.Add(0, header_.cluster_size, 1);
  counts_.Add(header_.l1_offset, header_.l1_size * uint64_t{8}, 1);
  for (const ListedTable& table : tables_.tables()) {
    counts_.Add(table.offset, header_.cluster_size, table.uses);
  }
  HOTCELL_RETURN_IF_ERROR(l2.CountClaims(io_));
  for (const Snapshot& snapshot : snapshots_.snapshots) {
    if (CanHaveL1(snapshot)) counts_.Add(snapshot.l1_offset, snapshot.l1_size * uint64_t{8}, 1);
  }
  counts_.Add(header_.snapshots_offset, snapshots_.size, 1);
  counts_.Add(header_.refcount_table_offset, header_.refcount_table_size, 1);
  if (header_.encryption_header) {
    counts_.Add(header_.encryption_header->offset, header_.encryption_header->size, 1);
  }
  HOTCELL_RETURN_IF_ERROR(CountBitmaps());
  return CountRefcountBlocks();
}

void Checker::CompareOne(uint64_t cluster, uint64_t refcount) {
  const uint64_t count = counts_.count(cluster);
  if (refcount != 0 || count != 0) end_ = cluster + 1;
  if (refcount == 1) on_disk_[cluster - counts_.begin()] = Refcount::kOne;
  if (refcount == count) return;
  const bool leaked = refcount > count;
  log_.Add(leaked ? CheckFinding::Kind::kLeak : CheckFinding::Kind::kCorruption, 1, [&] {
    return StrCat(leaked ? "Leaked" : "ERROR", " cluster ", cluster, " refcount=", refcount,
                  " reference=", count);
  });
}

Status Checker::CompareRefcounts() {
  on_disk_.assign(counts_.end() - counts_.begin(), Refcount::kOther);
  for (uint64_t cluster = counts_.begin(); cluster < counts_.end();) {
    HOTCELL_RETURN_IF_ERROR(refcounts_.Select(io_, cluster));
    const uint64_t end = std::min(refcounts_.block_end(), counts_.end());
    const bool readable = refcounts_.state() != RefcountReader::State::kUnreadable;
    for (; cluster < end; ++cluster) {
      if (readable) {
        CompareOne(cluster, refcounts_.Get(cluster));
        continue;
      }
      on_disk_[cluster - counts_.begin()] = Refcount::kUnreadable;
      log_.Add(CheckFinding::Kind::kCheckError, 1, [&] {
        return StrCat("Can't get refcount for cluster ", cluster, ": Input/output error");
      });
    }
  }
  return OkStatus();
}

void Checker::CheckSharedRegion(const Region& region) {
  const uint64_t first = std::max(region.offset / header_.cluster_size, counts_.begin());
  const uint64_t end = std::min((region.end() - 1) / header_.cluster_size + 1, counts_.end());
  for (uint64_t cluster = first; cluster < end; ++cluster) {
    if (counts_.count(cluster) <= 1) continue;
    if (on_disk_[cluster - counts_.begin()] != Refcount::kOther) continue;
    log_.Corruption(1, [&] {
      return StrCat("ERROR cluster ", cluster, " of ", region.what, " has ", counts_.count(cluster),
                    " references");
    });
  }
}

// Refcounts that were made to fit hide that metadata lies where something else does.
void Checker::CheckSharedMetadata() {
  for (const Region& region : MetadataRegions(header_)) CheckSharedRegion(region);
  if (snapshots_.size > 0) {
    CheckSharedRegion({.offset = header_.snapshots_offset,
                       .size = snapshots_.size,
                       .what = "the snapshot table"});
  }
  for (const ListedTable& table : tables_.tables()) {
    const uint64_t cluster = table.offset / header_.cluster_size;
    if (cluster < counts_.begin() || cluster >= counts_.end()) continue;
    if (counts_.count(cluster) <= table.uses) continue;
    if (on_disk_[cluster - counts_.begin()] != Refcount::kOther) continue;
    log_.Corruption(1, [&] {
      return StrCat("ERROR cluster ", cluster, " of an L2 table has ", counts_.count(cluster),
                    " references, ", table.uses, " of them from L1 tables");
    });
  }
}

Status Checker::CheckL1CopiedFlags(L2Checker& l2) {
  return ForEachWord(io_, file_, header_.l1_offset, header_.l1_size, "read the L1 table",
                     [&](uint64_t index, uint64_t entry) {
                       const uint64_t table = entry & kOffsetMask;
                       if (table == 0) return;
                       l2.CheckCopied(io_, entry, table, 1, [&] {
                         return StrCat("ERROR OFLAG_COPIED L2 cluster: l1_index=", index,
                                       " l1_entry=", HexDigits(entry));
                       });
                     });
}

Status Checker::Pass(uint64_t window) {
  counts_.StartPass(window);
  L2Checker l2(file_, header_, tables_.tables(), counts_, refcounts_, result_);
  HOTCELL_RETURN_IF_ERROR(CountClaims(l2));
  HOTCELL_RETURN_IF_ERROR(CompareRefcounts());
  CheckSharedMetadata();
  l2.SetRefcounts(on_disk_);
  HOTCELL_RETURN_IF_ERROR(CheckL1CopiedFlags(l2));
  HOTCELL_RETURN_IF_ERROR(l2.CheckCopiedFlags(io_));
  return l2.status();
}

Result<uint64_t> Checker::NextWindow() {
  const uint64_t claimed = counts_.NextWindow() * ClusterCounts::kWindowClusters;
  uint64_t cluster = counts_.end();
  while (cluster < std::min(claimed, counts_.clusters())) {
    HOTCELL_RETURN_IF_ERROR(refcounts_.Select(io_, cluster));
    if (refcounts_.state() != RefcountReader::State::kNone) return counts_.window_of(cluster);
    cluster = refcounts_.block_end();
  }
  return counts_.window_of(claimed);
}

Result<CheckResult> Checker::Run() {
  if (counts_.clusters() > kMaxClusters) {
    return LimitExceeded(
        StrCat("qcow2: the file has ", counts_.clusters(), " clusters, too many to be checked"));
  }
  CheckSnapshotEntries();
  HOTCELL_RETURN_IF_ERROR(CheckBitmapEntries());
  HOTCELL_RETURN_IF_ERROR(ListL2Tables());
  uint32_t passes = 0;
  for (uint64_t window = 0; window * ClusterCounts::kWindowClusters < counts_.clusters();) {
    if (++passes > kMaxPasses) {
      return LimitExceeded(StrCat("qcow2: the file has more clusters in use than the ",
                                  kMaxPasses * ClusterCounts::kWindowClusters,
                                  " that can be checked"));
    }
    HOTCELL_RETURN_IF_ERROR(Pass(window));
    const auto next = NextWindow();
    if (!next.ok()) return next.status();
    window = *next;
  }
  result_.total_clusters =
      header_.size / header_.cluster_size + (header_.size % header_.cluster_size != 0 ? 1 : 0);
  result_.image_end_offset = end_ * header_.cluster_size;
  return std::move(result_);
}

}  // namespace
}  // namespace qcow2

Result<CheckResult> CheckQcow2(IoChannel& io, const FileHandle& file,
                               const OpenOptions& /*options*/) {
  const auto header = qcow2::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  const auto snapshots = qcow2::ReadSnapshotTable(io, file, *header);
  if (!snapshots.ok()) return snapshots.status();
  std::vector<qcow2::Bitmap> bitmaps;
  if (header->bitmaps) {
    auto directory = qcow2::ReadBitmapDirectory(io, file, *header);
    if (!directory.ok()) return directory.status();
    bitmaps = std::move(*directory);
  }
  return qcow2::Checker(io, file, *header, *snapshots, bitmaps).Run();
}

}  // namespace hotcell::guest
