#include "guest/formats/qcow2/l2_checker.h"

#include <algorithm>

#include "guest/formats/qcow2/table_scan.h"

namespace hotcell::guest::qcow2 {

// Adjacent tables are read together.
template <typename Wanted, typename Visit>
Status L2Checker::ForEachEntry(IoChannel& io, Wanted wanted, Visit visit) {
  const uint64_t table_words = header_.cluster_size / sizeof(uint64_t);
  const bool extended = header_.extended_l2();
  for (size_t i = 0; i < tables_.size();) {
    if (!wanted(tables_[i])) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < tables_.size() && wanted(tables_[end]) &&
           tables_[end].offset == tables_[end - 1].offset + header_.cluster_size) {
      ++end;
    }
    Entry entry = {};
    HOTCELL_RETURN_IF_ERROR(ForEachWord(io, file_, tables_[i].offset, table_words * (end - i),
                                        "read an L2 table", [&](uint64_t index, uint64_t word) {
                                          const uint64_t in_table = index % table_words;
                                          if (extended && index % 2 == 0) {
                                            entry.descriptor = word;
                                            return;
                                          }
                                          if (extended) {
                                            entry.bitmap = word;
                                            entry.index = in_table / 2;
                                          } else {
                                            entry.descriptor = word;
                                            entry.index = in_table;
                                          }
                                          if (entry.index == 0) next_adjacent_ = 0;
                                          if (entry.descriptor != 0 || entry.bitmap != 0) {
                                            visit(tables_[i + index / table_words], entry);
                                          }
                                        }));
    i = end;
  }
  return OkStatus();
}

bool L2Checker::HasPlace(uint64_t descriptor) const {
  if ((descriptor & kOffsetMask) != 0) return true;
  return header_.has_data_file() && (descriptor & kEntryCopied) != 0 &&
         (header_.extended_l2() || (descriptor & kEntryZero) == 0);
}

void L2Checker::Claim(ListedTable& table, uint64_t offset, uint64_t size) {
  if (counts_.first_pass()) {
    const uint64_t most = UINT16_MAX;
    const auto first =
        static_cast<uint16_t>(std::min(counts_.window_of(offset >> header_.cluster_bits), most));
    const auto last = static_cast<uint16_t>(
        std::min(counts_.window_of((offset + size - 1) >> header_.cluster_bits), most));
    const bool none = table.first_window > table.last_window;
    table.first_window = none ? first : std::min(table.first_window, first);
    table.last_window = none ? last : std::max(table.last_window, last);
  }
  counts_.Add(offset, size, table.uses);
}

// "Compressed Clusters Descriptor".
void L2Checker::CountCompressed(ListedTable& table, const Entry& entry) {
  const uint32_t size_bits = header_.cluster_bits - 8;
  const uint32_t offset_bits = 62 - size_bits;
  const uint64_t offset = entry.descriptor & ((1ull << offset_bits) - 1);
  if ((entry.descriptor & kEntryCopied) != 0) {
    Corruption(table, [&] {
      return StrCat("ERROR: coffset=", Hex(offset),
                    ": copied flag must never be set for compressed clusters");
    });
  }
  const uint64_t shown = entry.descriptor & ~kEntryCopied;
  if (header_.has_data_file()) {
    Corruption(table, [&] {
      return StrCat("ERROR compressed cluster ", entry.index,
                    " with data file, entry=", Hex(shown));
    });
    return;
  }
  if (entry.bitmap != 0) {
    Corruption(table, [&] {
      return StrCat("ERROR compressed cluster ", entry.index,
                    " with non-zero subcluster allocation bitmap, entry=", Hex(shown));
    });
    return;
  }
  const uint64_t sectors = (entry.descriptor >> offset_bits & ((1ull << size_bits) - 1)) + 1;
  Claim(table, offset, sectors * 512 - offset % 512);
  if (!counts_.first_pass()) return;
  result_.allocated_clusters += table.active;
  result_.compressed_clusters += table.active;
  result_.fragmented_clusters += table.active;
}

// A cluster that has a place, whether it is data or reads as zeroes.
void L2Checker::CountCluster(ListedTable& table, const Entry& entry) {
  const uint64_t offset = entry.descriptor & kOffsetMask;
  const auto allocated = static_cast<uint32_t>(entry.bitmap);
  if ((static_cast<uint32_t>(entry.bitmap >> 32) & allocated) != 0) {
    Corruption(table, [&] {
      return StrCat("ERROR offset=", HexDigits(offset),
                    ": Allocated cluster has corrupted subcluster allocation bitmap");
    });
  }
  if (offset % header_.cluster_size != 0) {
    const bool has_data =
        header_.extended_l2() ? allocated != 0 : (entry.descriptor & kEntryZero) == 0;
    Corruption(table, [&] {
      return StrCat("ERROR offset=", HexDigits(offset), has_data ? ": Data" : ": Preallocated",
                    " cluster is not properly aligned; L2 entry corrupted.");
    });
  }
  if (counts_.first_pass()) {
    result_.allocated_clusters += table.active;
    if (next_adjacent_ != 0 && offset != next_adjacent_) {
      result_.fragmented_clusters += table.active;
    }
    next_adjacent_ = offset + header_.cluster_size;
  }
  if (!header_.has_data_file()) Claim(table, offset, header_.cluster_size);
}

void L2Checker::CountEntry(ListedTable& table, const Entry& entry) {
  if ((entry.descriptor & kEntryCompressed) != 0) return CountCompressed(table, entry);
  if ((entry.descriptor & kL2EntryReserved) != 0) {
    Corruption(table, [&] {
      return StrCat("ERROR found l2 entry with reserved bits set: ", HexDigits(entry.descriptor));
    });
  }
  if (HasPlace(entry.descriptor)) return CountCluster(table, entry);
  // VirtualBox and 7-Zip read the header's cluster there.
  if ((entry.descriptor & kEntryCopied) != 0 && (entry.descriptor & kEntryZero) == 0) {
    log_.CountDoubtfulEntry();
  }
  if (static_cast<uint32_t>(entry.bitmap) != 0) {
    Corruption(table, [] {
      return std::string("ERROR: Unallocated cluster has non-zero subcluster allocation map");
    });
  }
}

bool L2Checker::IsInPass(const ListedTable& table) const {
  if (counts_.first_pass()) return !table.hole;
  const uint64_t window = counts_.window_of(counts_.begin());
  return table.first_window <= window && window <= table.last_window;
}

Status L2Checker::CountClaims(IoChannel& io) {
  return ForEachEntry(
      io, [this](const ListedTable& table) { return IsInPass(table); },
      [this](ListedTable& table, const Entry& entry) { CountEntry(table, entry); });
}

Status L2Checker::CheckCopiedFlags(IoChannel& io) {
  const bool external = header_.has_data_file();
  const auto wanted = [this](const ListedTable& table) {
    return table.active != 0 && IsInPass(table);
  };
  return ForEachEntry(io, wanted, [&](ListedTable& table, const Entry& entry) {
    if ((entry.descriptor & kEntryCompressed) != 0 || !HasPlace(entry.descriptor)) return;
    const auto text = [&] {
      return StrCat("ERROR OFLAG_COPIED data cluster: l2_entry=", HexDigits(entry.descriptor));
    };
    if (!external) {
      CheckCopied(io, entry.descriptor, entry.descriptor & kOffsetMask, table.active, text);
    } else if (counts_.first_pass() && (entry.descriptor & kEntryCopied) == 0) {
      log_.Corruption(table.active, [&] { return StrCat(text(), " refcount=1"); });
    }
  });
}

std::optional<bool> L2Checker::HasRefcountOne(IoChannel& io, uint64_t cluster) {
  if (cluster < counts_.clusters()) {
    if (cluster < counts_.begin() || cluster >= counts_.end()) return std::nullopt;
    const Refcount refcount = refcounts_[cluster - counts_.begin()];
    if (refcount == Refcount::kUnreadable) return std::nullopt;
    return refcount == Refcount::kOne;
  }
  if (!counts_.first_pass() || lookups_ == kMaxLookups) return std::nullopt;
  if (!reader_.IsSelected(cluster)) ++lookups_;
  return LookUp(io, cluster) == 1;
}

uint64_t L2Checker::LookUp(IoChannel& io, uint64_t cluster) {
  if (Status selected = reader_.Select(io, cluster); !selected.ok()) status_ = selected;
  return reader_.state() == RefcountReader::State::kRead ? reader_.Get(cluster) : 0;
}

}  // namespace hotcell::guest::qcow2
