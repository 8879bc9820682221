#include "guest/formats/qcow2/disk_end.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/endian.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/table_scan.h"

namespace hotcell::guest::qcow2 {
namespace {

// An L2 entry in its place.
struct Entry {
  uint64_t offset = 0;        // in the file, bytes; 0: there is no table
  bool table_is_own = false;  // no snapshot has it too
  uint64_t descriptor = 0;
  uint64_t bitmap = 0;
};

Result<Entry> FindEntry(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                        uint64_t cluster) {
  const uint64_t l1_index = cluster / header.l2_entries();
  if (l1_index >= header.l1_size) return Entry{};
  Be64 l1_entry = 0;
  HOTCELL_RETURN_IF_ERROR(ReadPadded(io, file, header.l1_offset + l1_index * sizeof(Be64),
                                     std::as_writable_bytes(std::span(&l1_entry, 1)),
                                     "the L1 table"));
  const uint64_t table = l1_entry & kOffsetMask;
  if (table == 0) return Entry{};
  const uint64_t words = header.l2_entry_words();
  const uint64_t index = cluster % header.l2_entries();
  Entry entry = {.offset = table + index * words * sizeof(Be64),
                 .table_is_own = (l1_entry & kEntryCopied) != 0};
  Be64 raw[2] = {};
  HOTCELL_RETURN_IF_ERROR(ReadPadded(
      io, file, entry.offset, std::as_writable_bytes(std::span(raw).first(words)), "an L2 table"));
  entry.descriptor = raw[0];
  entry.bitmap = raw[1];
  return entry;
}

Status NeedsCopy(uint64_t size, std::string_view why) {
  return Unsupported(StrCat("qcow2: the disk ends at ", size, ", within a cluster ", why,
                            "; 'hotcell convert' makes an image whose disk can grow from there"));
}

// [from, to) of the cluster is data of the image.
Status ClearData(IoChannel& io, const FileHandle& file, const Entry& entry, uint64_t from,
                 uint64_t to, uint64_t size) {
  const uint64_t offset = (entry.descriptor & kOffsetMask) + from;
  if ((entry.descriptor & kEntryCopied) != 0) {
    const IoResult cleared = io.Wait(io.SubmitWriteZeroes(file.slot, offset, to - from));
    return cleared.ok() ? OkStatus() : IoError(cleared, "clear what follows the end of the disk");
  }
  std::vector<std::byte> bytes(to - from);
  HOTCELL_RETURN_IF_ERROR(ReadPadded(io, file, offset, bytes, "the last cluster of the disk"));
  const bool zero =
      std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
  return zero ? OkStatus()
              : NeedsCopy(size, "that a snapshot shares and that is not zero from there on");
}

// Extended entries: the subclusters from `from` on, each in its own state.
Status ClearSubclusters(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                        const Entry& entry, uint64_t from, uint64_t size, bool backing_shows) {
  const uint64_t subcluster = header.cluster_size / kSubclusters;
  uint64_t zero_bits = 0;
  for (uint64_t i = from / subcluster; i < kSubclusters; ++i) {
    const uint64_t begin = std::max(from, i * subcluster);
    if ((entry.bitmap >> i & 1) != 0) {
      HOTCELL_RETURN_IF_ERROR(ClearData(io, file, entry, begin, (i + 1) * subcluster, size));
    } else if ((entry.bitmap >> (i + kSubclusters) & 1) == 0) {
      if (backing_shows && begin != i * subcluster) return NeedsCopy(size, "of the backing image");
      zero_bits |= 1ull << (i + kSubclusters);
    }
  }
  if (!backing_shows || zero_bits == 0) return OkStatus();
  if (entry.offset == 0 || !entry.table_is_own) return NeedsCopy(size, "of the backing image");
  const Be64 bitmap = entry.bitmap | zero_bits;
  return WriteAll(io, file.slot, entry.offset + sizeof(Be64), std::as_bytes(std::span(&bitmap, 1)),
                  "an L2 table");
}

}  // namespace

Status ClearLastCluster(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                        uint64_t size, bool backing_shows) {
  const uint64_t from = size % header.cluster_size;
  if (from == 0) return OkStatus();
  const Result<Entry> entry = FindEntry(io, file, header, size / header.cluster_size);
  if (!entry.ok()) return entry.status();
  // What is compressed hides the backing image, and whoever packed it filled the cluster up.
  if ((entry->descriptor & kEntryCompressed) != 0) return OkStatus();
  if (header.extended_l2()) {
    return ClearSubclusters(io, file, header, *entry, from, size, backing_shows);
  }
  if (header.version >= 3 && (entry->descriptor & kEntryZero) != 0) return OkStatus();
  if ((entry->descriptor & kOffsetMask) != 0) {
    return ClearData(io, file, *entry, from, header.cluster_size, size);
  }
  return backing_shows ? NeedsCopy(size, "of the backing image") : OkStatus();
}

}  // namespace hotcell::guest::qcow2
