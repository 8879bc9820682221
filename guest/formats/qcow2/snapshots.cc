#include "guest/formats/qcow2/snapshots.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "guest/formats/common/stream_reader.h"

namespace hotcell::guest::qcow2 {
namespace {

// Names are text for people. Tables with more of it than this are not made by people.
constexpr uint64_t kMaxNameBytes = 4 << 20;
constexpr uint64_t kNoInstructionCount = UINT64_MAX;

// The extra data's fields that are there, and their absent values.
SnapshotExtra LoadExtra(std::span<const std::byte> bytes, const SnapshotEntry& entry,
                        const ImageHeader& header) {
  SnapshotExtra extra = {.vm_state_size_large = uint64_t{entry.vm_state_size},
                         .disk_size = header.size,
                         .icount = kNoInstructionCount};
  const size_t whole_fields = std::min(bytes.size(), sizeof(extra)) / sizeof(Be64);
  std::memcpy(&extra, bytes.data(), whole_fields * sizeof(Be64));
  return extra;
}

// The table can be the last of the file, which then ends without the last entry's padding.
Result<Snapshot> TakeSnapshot(StreamReader& stream, const ImageHeader& header) {
  HOTCELL_RETURN_IF_ERROR(stream.SkipPadding(8));
  const auto entry = stream.TakeStruct<SnapshotEntry>();
  if (!entry.ok()) return entry.status();
  if (entry->extra_data_size > kMaxSnapshotExtraBytes) {
    return CorruptImage(StrCat("qcow2: a snapshot has ", uint32_t{entry->extra_data_size},
                               " bytes of extra data, more than the ", kMaxSnapshotExtraBytes,
                               " allowed"));
  }
  const auto extra_bytes = stream.Take(entry->extra_data_size);
  if (!extra_bytes.ok()) return extra_bytes.status();
  const SnapshotExtra extra = LoadExtra(*extra_bytes, *entry, header);

  auto id = stream.TakeString(entry->id_str_size);
  if (!id.ok()) return id.status();
  auto name = stream.TakeString(entry->name_size);
  if (!name.ok()) return name.status();

  Snapshot snapshot;
  snapshot.l1_offset = entry->l1_table_offset;
  snapshot.l1_size = entry->l1_size;
  snapshot.extra_data_size = entry->extra_data_size;
  snapshot.info = {.id = std::move(*id),
                   .name = std::move(*name),
                   .vm_state_size = extra.vm_state_size_large,
                   .date_sec = entry->date_sec,
                   .date_nsec = entry->date_nsec,
                   .vm_clock_nsec = entry->vm_clock_nsec,
                   .icount = std::nullopt,
                   .virtual_size = extra.disk_size};
  if (extra.icount != kNoInstructionCount) snapshot.info.icount = extra.icount;
  return snapshot;
}

Result<Bitmap> TakeBitmap(StreamReader& stream) {
  const auto entry = stream.TakeStruct<BitmapDirectoryEntry>();
  if (!entry.ok()) return entry.status();
  if (entry->name_size == 0 || entry->name_size > kMaxBitmapNameSize) {
    return CorruptImage(StrCat("qcow2: a bitmap's name has ", uint16_t{entry->name_size},
                               " bytes; 1 to ", kMaxBitmapNameSize, " are allowed"));
  }
  if (entry->granularity_bits > 31) {
    return CorruptImage(StrCat("qcow2: a bitmap's granularity_bits is ", entry->granularity_bits,
                               "; at most 31 is allowed"));
  }
  HOTCELL_RETURN_IF_ERROR(stream.Skip(entry->extra_data_size));
  auto name = stream.TakeString(entry->name_size);
  if (!name.ok()) return name.status();

  Bitmap bitmap;
  bitmap.info.name = std::move(*name);
  bitmap.info.granularity = 1u << entry->granularity_bits;
  if ((entry->flags & kBitmapInUse) != 0) bitmap.info.flags.emplace_back("in-use");
  if ((entry->flags & kBitmapAuto) != 0) bitmap.info.flags.emplace_back("auto");
  bitmap.table_offset = entry->bitmap_table_offset;
  bitmap.table_size = entry->bitmap_table_size;
  bitmap.in_use = (entry->flags & kBitmapInUse) != 0;
  return bitmap;
}

}  // namespace

const Snapshot* SnapshotTable::Find(const SnapshotSelector& wanted) const {
  if (wanted.id_or_name) {
    const Snapshot* const by_id = Find(SnapshotSelector{.id = wanted.id_or_name});
    return by_id != nullptr ? by_id : Find(SnapshotSelector{.name = wanted.id_or_name});
  }
  for (const Snapshot& snapshot : snapshots) {
    if (wanted.id && snapshot.info.id != *wanted.id) continue;
    if (wanted.name && snapshot.info.name != *wanted.name) continue;
    return &snapshot;
  }
  return nullptr;
}

Result<SnapshotTable> ReadSnapshotTable(IoChannel& io, const FileHandle& file,
                                        const ImageHeader& header) {
  SnapshotTable table;
  if (header.snapshot_count == 0) return table;
  StreamReader stream(io, file, header.snapshots_offset, kMaxSnapshotTableBytes,
                      "qcow2: the snapshot table");
  table.snapshots.reserve(header.snapshot_count);
  uint64_t name_bytes = 0;
  for (uint32_t i = 0; i < header.snapshot_count; ++i) {
    auto snapshot = TakeSnapshot(stream, header);
    if (!snapshot.ok()) return snapshot.status();
    name_bytes += snapshot->info.id.size() + snapshot->info.name.size();
    if (name_bytes > kMaxNameBytes) {
      return LimitExceeded(
          StrCat("qcow2: the names of the snapshots need more than ", kMaxNameBytes, " bytes"));
    }
    table.snapshots.push_back(std::move(*snapshot));
  }
  table.size = stream.position();
  return table;
}

Result<std::vector<Bitmap>> ReadBitmapDirectory(IoChannel& io, const FileHandle& file,
                                                const ImageHeader& header) {
  const BitmapDirectory& directory = *header.bitmaps;
  StreamReader stream(io, file, directory.offset, directory.size, "qcow2: the bitmap directory");
  std::vector<Bitmap> bitmaps;
  uint64_t name_bytes = 0;
  for (uint32_t i = 0; i < directory.count; ++i) {
    auto bitmap = TakeBitmap(stream);
    if (!bitmap.ok()) return bitmap.status();
    HOTCELL_RETURN_IF_ERROR(stream.SkipPadding(8));
    name_bytes += bitmap->info.name.size();
    if (name_bytes > kMaxNameBytes) {
      return LimitExceeded(
          StrCat("qcow2: the names of the bitmaps need more than ", kMaxNameBytes, " bytes"));
    }
    bitmaps.push_back(std::move(*bitmap));
  }
  return bitmaps;
}

}  // namespace hotcell::guest::qcow2
