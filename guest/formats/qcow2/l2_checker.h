// The checker's view of L2 tables.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_L2_CHECKER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_L2_CHECKER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/check.h"
#include "guest/formats/qcow2/cluster_counts.h"
#include "guest/formats/qcow2/finding_log.h"
#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/l2_table_list.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/refcount_reader.h"

namespace hotcell::guest::qcow2 {

// What a refcount on the disk means for the copied flag of what it counts.
enum class Refcount : uint8_t { kOther, kOne, kUnreadable };

// `value` in hexadecimal as qemu-img prints it, without 0x.
inline std::string HexDigits(uint64_t value) { return StrCat(Hex(value)).substr(2); }

// Works for one pass of `counts`.
class L2Checker {
 public:
  L2Checker(const FileHandle& file, const ImageHeader& header, std::vector<ListedTable>& tables,
            ClusterCounts& counts, RefcountReader& reader, CheckResult& result)
      : file_(file),
        header_(header),
        tables_(tables),
        counts_(counts),
        reader_(reader),
        result_(result),
        log_(result) {}

  // Counts what the tables' entries claim. In the first pass, judges the entries, counts clusters
  // of the disk, and notes in the tables where their entries point.
  Status CountClaims(IoChannel& io);

  // `refcounts` of the clusters of the pass, for the functions that follow.
  void SetRefcounts(std::span<const Refcount> refcounts) { refcounts_ = refcounts; }
  // Judges the flags in the active layer's tables.
  Status CheckCopiedFlags(IoChannel& io);
  // Judges the flag of an entry that claims the cluster at `offset`. text() says which entry.
  template <typename Text>
  void CheckCopied(IoChannel& io, uint64_t entry, uint64_t offset, uint64_t times, Text text) {
    const uint64_t cluster = offset >> header_.cluster_bits;
    const std::optional<bool> is_one = HasRefcountOne(io, cluster);
    if (!is_one || *is_one == ((entry & kEntryCopied) != 0)) return;
    log_.Corruption(times, [&] { return StrCat(text(), " refcount=", LookUp(io, cluster)); });
  }
  // The first error of looking up a refcount.
  const Status& status() const { return status_; }

 private:
  // Blocks that are read for clusters which lie past the end of the file.
  static constexpr uint32_t kMaxLookups = 1024;

  struct Entry {
    uint64_t descriptor;
    uint64_t bitmap;  // of extended entries
    uint64_t index;   // in its table
  };

  // Calls visit(table, entry) for the entries of those tables for which wanted(table).
  template <typename Wanted, typename Visit>
  Status ForEachEntry(IoChannel& io, Wanted wanted, Visit visit);
  bool IsInPass(const ListedTable& table) const;
  void CountEntry(ListedTable& table, const Entry& entry);
  void CountCompressed(ListedTable& table, const Entry& entry);
  void CountCluster(ListedTable& table, const Entry& entry);
  void Claim(ListedTable& table, uint64_t offset, uint64_t size);
  template <typename Text>
  void Corruption(const ListedTable& table, Text text) {
    if (counts_.first_pass()) log_.Corruption(table.uses, text);
  }
  // Nothing when the cluster is not of this pass, or its refcount cannot be read.
  std::optional<bool> HasRefcountOne(IoChannel& io, uint64_t cluster);
  uint64_t LookUp(IoChannel& io, uint64_t cluster);
  // Whether the entry has a place in the file, or in the external data file.
  bool HasPlace(uint64_t descriptor) const;

  const FileHandle& file_;
  const ImageHeader& header_;
  std::vector<ListedTable>& tables_;
  ClusterCounts& counts_;
  RefcountReader& reader_;
  CheckResult& result_;
  FindingLog log_;
  std::span<const Refcount> refcounts_;
  uint64_t next_adjacent_ = 0;  // where the table's next cluster is not fragmented; 0: anywhere
  Status status_;
  uint32_t lookups_ = 0;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_L2_CHECKER_H_
