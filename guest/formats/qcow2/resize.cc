#include "guest/formats/qcow2/resize.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/chain.h"
#include "guest/formats/common/check.h"
#include "guest/formats/qcow2/checker.h"
#include "guest/formats/qcow2/disk_end.h"
#include "guest/formats/qcow2/editable.h"
#include "guest/formats/qcow2/new_area.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/refcount_editor.h"

namespace hotcell::guest {
namespace qcow2 {
namespace {

constexpr uint64_t kSectorSize = 512;

// What is known of the image below.
struct BackingView {
  // Bytes of it, or bytes that nobody may look at, follow the end of the disk.
  bool shows = false;
  Status refusal;  // why it was not looked at
};

Result<BackingView> LookAtBacking(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                                  uint64_t old_size) {
  if (!header.backing) return BackingView{};
  const Result<FileHandle> below = OpenBackingFile(io, file.slot, *header.backing);
  if (!below.ok()) {
    if (below.status().code() != Code::kReferenceRefused) return below.status();
    return BackingView{.shows = true, .refusal = below.status()};
  }
  const Result<const FormatDriver*> format =
      ChooseDeclaredFormat(io, *below, header.backing->format);
  if (!format.ok()) return format.status();
  const Result<std::unique_ptr<ImageReader>> reader =
      (*format)->open(io, *below, {.describe_only = true});
  if (!reader.ok()) return reader.status();
  return BackingView{.shows = (*reader)->virtual_size() > old_size, .refusal = {}};
}

class Grower {
 public:
  Grower(IoChannel& io, const FileHandle& file, const ImageHeader& header,
         const ResizeOptions& options, Fill fill)
      : io_(io),
        file_(file),
        header_(header),
        options_(options),
        refcounts_(header, file, options.device),
        area_(header, file, options, fill),
        new_l1_entries_(header.L1EntriesFor(options.new_size)) {}

  Status Run();

 private:
  bool moves_l1() const { return new_l1_entries_ > header_.l1_size; }
  uint64_t Clusters(uint64_t l1_entries) const {
    return DivideUp(l1_entries * sizeof(Be64), header_.cluster_size);
  }
  Status Reserve();
  Status WriteData();
  Status CopyL1();
  Status Flush();
  // The one write after which the disk has its new size.
  Status Commit();
  Status ReleaseReplaced();

  IoChannel& io_;
  const FileHandle file_;
  const ImageHeader& header_;
  const ResizeOptions options_;
  RefcountEditor refcounts_;
  NewArea area_;
  const uint64_t new_l1_entries_;
  uint64_t l1_offset_ = 0;  // of the table that the header names in the end
  uint64_t tables_ = 0;     // where new L2 tables are, one after the other
  uint64_t data_ = 0;       // likewise data clusters
};

Status Grower::Reserve() {
  l1_offset_ = header_.l1_offset;
  const uint64_t l1_clusters = moves_l1() ? Clusters(new_l1_entries_) : 0;
  const uint64_t clusters = l1_clusters + area_.new_tables() + area_.new_data();
  if (clusters == 0) return OkStatus();
  const Result<uint64_t> begin = refcounts_.Reserve(io_, clusters);
  if (!begin.ok()) return begin.status();
  if (moves_l1()) l1_offset_ = *begin;
  tables_ = *begin + l1_clusters * header_.cluster_size;
  data_ = tables_ + area_.new_tables() * header_.cluster_size;
  return OkStatus();
}

// A file that has grown holds zeroes there already.
Status Grower::WriteData() {
  const bool takes_space = options_.preallocation == Preallocation::kFalloc ||
                           options_.preallocation == Preallocation::kFull;
  if (area_.new_data() == 0 || (!takes_space && !options_.device)) return OkStatus();
  return WriteZeroData(io_, file_.slot, data_, area_.new_data() * header_.cluster_size,
                       "the space that is set aside");
}

Status Grower::CopyL1() {
  if (!moves_l1()) return OkStatus();
  if (options_.device) {
    HOTCELL_RETURN_IF_ERROR(WriteZeroData(io_, file_.slot, l1_offset_,
                                          Clusters(new_l1_entries_) * header_.cluster_size,
                                          "the L1 table"));
  }
  std::vector<std::byte> piece;
  const uint64_t size = header_.l1_size * sizeof(Be64);
  for (uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<uint64_t>(size - at, 64 << 10));
    HOTCELL_RETURN_IF_ERROR(ReadExact(io_, file_, header_.l1_offset + at, piece, "the L1 table"));
    HOTCELL_RETURN_IF_ERROR(WriteAll(io_, file_.slot, l1_offset_ + at, piece, "the L1 table"));
  }
  return OkStatus();
}

Status Grower::Flush() {
  const IoResult flushed = io_.Flush(file_.slot);
  return flushed.ok() ? OkStatus() : IoError(flushed, "flush the image");
}

Status Grower::Commit() {
  struct {
    Be64 size;
    Be32 crypt_method;
    Be32 l1_size;
    Be64 l1_table_offset;
  } fields = {.size = options_.new_size,
              .crypt_method = header_.crypt_method,
              .l1_size = moves_l1() ? static_cast<uint32_t>(new_l1_entries_) : header_.l1_size,
              .l1_table_offset = l1_offset_};
  static_assert(offsetof(Header, l1_table_offset) + sizeof(Be64) ==
                offsetof(Header, size) + sizeof(fields));
  HOTCELL_RETURN_IF_ERROR(WriteAll(io_, file_.slot, offsetof(Header, size),
                                   std::as_bytes(std::span(&fields, 1)), "the header"));
  return Flush();
}

Status Grower::ReleaseReplaced() {
  for (const uint64_t table : area_.replaced_tables()) {
    HOTCELL_RETURN_IF_ERROR(refcounts_.Release(io_, table, 1));
  }
  if (moves_l1() && header_.l1_size > 0) {
    HOTCELL_RETURN_IF_ERROR(refcounts_.Release(io_, header_.l1_offset, Clusters(header_.l1_size)));
  }
  HOTCELL_RETURN_IF_ERROR(refcounts_.ReleaseOldTable(io_));
  return Flush();
}

Status Grower::Run() {
  HOTCELL_RETURN_IF_ERROR(area_.Plan(io_));
  HOTCELL_RETURN_IF_ERROR(Reserve());
  HOTCELL_RETURN_IF_ERROR(WriteData());
  HOTCELL_RETURN_IF_ERROR(CopyL1());
  HOTCELL_RETURN_IF_ERROR(area_.WriteTables(io_, tables_, data_));
  HOTCELL_RETURN_IF_ERROR(Flush());
  HOTCELL_RETURN_IF_ERROR(area_.WriteL1Entries(io_, l1_offset_));
  HOTCELL_RETURN_IF_ERROR(Flush());
  HOTCELL_RETURN_IF_ERROR(Commit());
  return ReleaseReplaced();
}

Status CheckRequest(const ImageHeader& header, const ResizeOptions& options) {
  HOTCELL_RETURN_IF_ERROR(CheckEditable(header));
  if (options.new_size % kSectorSize != 0) {
    return InvalidArgument(StrCat("The new size must be a multiple of ", kSectorSize));
  }
  if (header.snapshot_count > 0 && header.version < 3) {
    return Unsupported("Can't resize a v2 image which has snapshots");
  }
  if (header.bitmaps) {
    return Unsupported("qcow2: the image has bitmaps, which would have to grow with it",
                       Remedy::kRemoveBitmaps);
  }
  if (options.new_size < options.old_size) {
    return Unsupported(
        "qcow2: shrinking is not done; 'hotcell dd' copies the part of the disk that is to stay");
  }
  if (header.L1EntriesFor(options.new_size) > kMaxL1Bytes / sizeof(Be64)) {
    return InvalidArgument("Failed to grow the L1 table: File too large");
  }
  return OkStatus();
}

// Refuses a damaged image: where refcounts are too low, or two claim a cluster, a change could
// damage what is sound.
Status CheckSoundness(IoChannel& io, const FileHandle& file) {
  const Result<CheckResult> check = CheckQcow2(io, file, {});
  if (!check.ok()) return check.status();
  if (check->corruptions == 0 && check->check_errors == 0) return OkStatus();
  return CorruptImage(StrCat("qcow2: the image is damaged (", check->corruptions,
                             " corruptions) and stays as it is; 'hotcell check' tells what is "
                             "wrong with it"));
}

Result<Fill> ChooseFill(const ImageHeader& header, const ResizeOptions& options,
                        const BackingView& backing) {
  if (options.preallocation != Preallocation::kOff) return Fill::kData;
  if (!backing.shows) return Fill::kNothing;
  if (header.version >= 3) return Fill::kZero;
  if (!backing.refusal.ok()) return backing.refusal;
  return Unsupported("Failed to zero out new clusters: Operation not supported");
}

}  // namespace
}  // namespace qcow2

Status ResizeQcow2(IoChannel& io, const FileHandle& file, const ResizeOptions& options) {
  const Result<qcow2::ImageHeader> header = qcow2::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(qcow2::CheckRequest(*header, options));
  if (options.new_size == options.old_size) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(qcow2::CheckSoundness(io, file));
  const Result<qcow2::BackingView> backing =
      qcow2::LookAtBacking(io, file, *header, options.old_size);
  if (!backing.ok()) return backing.status();
  const Result<qcow2::Fill> fill = qcow2::ChooseFill(*header, options, *backing);
  if (!fill.ok()) return fill.status();
  HOTCELL_RETURN_IF_ERROR(qcow2::ClearUnknownAutoclear(io, file, *header));
  Status end = qcow2::ClearLastCluster(io, file, *header, options.old_size, backing->shows);
  if (end.code() == Code::kUnsupported && !backing->refusal.ok()) return backing->refusal;
  if (!end.ok()) return end;
  return qcow2::Grower(io, file, *header, options, *fill).Run();
}

}  // namespace hotcell::guest
