#include "guest/ops/inspect.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/chain.h"
#include "guest/formats/raw/raw.h"
#include "guest/ops/pipeline/chunk_reader.h"
#include "guest/ops/pipeline/nested_image.h"

namespace hotcell::guest {
namespace {

// A walk that is not over by then says no more of the image.
constexpr uint32_t kMaxExtents = 1 << 20;
// Unpacking all of a big disk is the business of who reads it.
constexpr uint64_t kMaxUnpacked = 64 << 20;
// Each has tables of its own.
constexpr size_t kMaxSnapshots = 256;

// Finds streams that are damaged, as far as the first kMaxUnpacked bytes of a disk go.
class StreamCheck {
 public:
  StreamCheck(IoChannel& io, const FileHandle& file) : io_(io), file_(file) {}

  Status Check(const Extent& extent) {
    if (extent.kind != Extent::Kind::kCompressed || extent.slot != file_.slot) return OkStatus();
    if (unpacked_ >= kMaxUnpacked || extent.offset >= file_.size) return OkStatus();
    stream_.resize(std::min<uint64_t>(extent.compressed_size, file_.size - extent.offset));
    data_.resize(extent.length);
    unpacked_ += extent.length;
    HOTCELL_RETURN_IF_ERROR(
        ReadExact(io_, file_, extent.offset, stream_, "the compressed data of a cluster"));
    return unpacker_.Unpack(extent, stream_, data_);
  }

 private:
  IoChannel& io_;
  const FileHandle file_;
  Unpacker unpacker_;
  std::vector<std::byte> stream_;
  std::vector<std::byte> data_;
  uint64_t unpacked_ = 0;  // bytes
};

// Asks for all of the disk's extents, which looks at its tables, and unpacks what is compressed.
Status WalkExtents(IoChannel& io, const FileHandle& file, ImageReader& reader) {
  StreamCheck streams(io, file);
  const uint64_t size = reader.virtual_size();
  uint64_t offset = 0;
  for (uint32_t i = 0; i < kMaxExtents && offset < size; ++i) {
    const Result<Extent> extent = reader.Map(io, offset, size - offset);
    if (!extent.ok()) return extent.status();
    HOTCELL_RETURN_IF_ERROR(streams.Check(*extent));
    offset += extent->length;
  }
  return OkStatus();
}

// Whether the disk that the reader serves would be taken for an image; `which` says whose disk it
// is.
Status LookForNestedImages(IoChannel& io, ImageReader& reader, std::string_view which,
                           Survey& survey) {
  const auto map = [&](uint64_t offset, uint64_t length) { return reader.Map(io, offset, length); };
  const auto nested = FindNestedImages(io, map, reader.virtual_size());
  if (!nested.ok()) return nested.status();
  for (const NestedImage& image : *nested) {
    survey.Add(ConcernKind::kNestedImage,
               StrCat(which, Describe(image), ", at its offset ", image.offset,
                      ": a raw copy of it would be opened as one"));
  }
  return OkStatus();
}

// The disks of the internal snapshots, which can be written out as well. The reader serves another
// disk afterwards.
Status LookAtSnapshots(IoChannel& io, ImageReader& reader, Survey& survey) {
  const std::vector<SnapshotInfo> snapshots = reader.Describe().snapshots;
  std::set<std::string> ids;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (ids.insert(snapshot.id).second) continue;
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("two snapshots have the id '", snapshot.id, "'"));
  }
  for (size_t i = 0; i < snapshots.size() && i < kMaxSnapshots; ++i) {
    HOTCELL_RETURN_IF_ERROR(reader.SelectSnapshot(io, {.id = snapshots[i].id}));
    HOTCELL_RETURN_IF_ERROR(
        LookForNestedImages(io, reader, StrCat("snapshot '", snapshots[i].name, "': "), survey));
  }
  if (snapshots.size() > kMaxSnapshots) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("there are ", snapshots.size(), " snapshots, and only the first ",
                      kMaxSnapshots, " were searched for images within"));
  }
  return OkStatus();
}

// What the bytes of the disk say, and if it is wanted all tables that lead to them.
Status LookAtDisk(IoChannel& io, const FormatDriver& format, const FileHandle& file,
                  const OpenOptions& options, const InspectJob& job, Inspection& inspection) {
  const Result<std::unique_ptr<ImageReader>> reader = format.open(io, file, options);
  if (!reader.ok()) return reader.status();
  HOTCELL_RETURN_IF_ERROR(DropMarksOfDisk(io, file, **reader, inspection.signatures));
  // A raw disk is the file, which was probed.
  const bool is_file = &format == &kRawFormat;
  if (!is_file) HOTCELL_RETURN_IF_ERROR(LookForNestedImages(io, **reader, "", inspection.survey));
  if (job.check) {
    HOTCELL_RETURN_IF_ERROR(WalkExtents(io, file, **reader));
    HOTCELL_RETURN_IF_ERROR(LookAtSnapshots(io, **reader, inspection.survey));
  }
  if (job.snapshot.empty()) return OkStatus();
  HOTCELL_RETURN_IF_ERROR((*reader)->SelectSnapshot(io, job.snapshot));
  return LookForNestedImages(io, **reader, "the snapshot: ", inspection.survey);
}

// The first extent of the disk that has bytes in a file; nullopt: there is none, or nobody knows.
std::optional<Extent> FirstStored(IoChannel& io, ImageReader& reader) {
  const uint64_t size = reader.virtual_size();
  uint64_t offset = 0;
  for (uint32_t i = 0; i < kMaxExtents && offset < size; ++i) {
    const Result<Extent> extent = reader.Map(io, offset, size - offset);
    if (!extent.ok()) return std::nullopt;
    if (extent->kind == Extent::Kind::kData || extent->kind == Extent::Kind::kCompressed) {
      return *extent;
    }
    offset += extent->length;
  }
  return std::nullopt;
}

// Drops what shows only that the image begins with a stream of its own.
void DropOwnStream(IoChannel& io, ImageReader& reader, Inspection& inspection) {
  if (inspection.format != "dmg") return;
  const std::optional<Extent> first = FirstStored(io, reader);
  if (!first || first->kind != Extent::Kind::kCompressed || first->offset != 0) return;
  const bool bzip2 = first->compression == Compression::kBzip2;
  if (!bzip2 && first->compression != Compression::kXz) return;
  const SignatureKind mark = bzip2 ? SignatureKind::kBzip2 : SignatureKind::kXz;
  std::erase(inspection.other_formats, bzip2 ? "bzip2" : "xz");
  std::erase_if(inspection.signatures, [mark](const FileSignature& signature) {
    return signature.offset == 0 && signature.kind == mark;
  });
}

void LookDeeper(IoChannel& io, const FormatDriver& format, const FileHandle& file,
                const OpenOptions& options, const InspectJob& job, Inspection& inspection) {
  OpenOptions all = options;
  all.describe_only = false;
  // Tables grow with the disk.
  Status status = CheckVirtualSize(format.name, inspection.info->virtual_size, all);
  if (!status.ok() && !job.check) return;
  if (status.ok() && job.check && format.check != nullptr) {
    Result<CheckResult> result = format.check(io, file, all);
    if (result.ok()) {
      inspection.check = std::move(*result);
      if (inspection.check->doubtful_entries != 0) {
        inspection.survey.Add(
            ConcernKind::kReadersDiffer,
            "clusters that have no place in the file are marked as in use; some programs read the "
            "start of the file there");
      }
    } else {
      inspection.check_failure = result.status();
    }
  }
  // Files that it names are not opened, so that what needs them cannot be.
  const bool is_whole = inspection.info->references.empty() && !inspection.info->encrypted;
  if (status.ok() && is_whole) status = LookAtDisk(io, format, file, all, job, inspection);
  if (inspection.check_failure.ok()) inspection.check_failure = std::move(status);
}

}  // namespace

Result<Inspection> Inspect(IoChannel& io, const InspectJob& job) {
  const FileHandle& file = job.source.file;
  auto matching = ProbeAllFormats(io, file);
  if (!matching.ok()) return matching.status();
  const Result<const FormatDriver*> chosen = ChooseFormat(io, file, job.source.format);
  if (!chosen.ok()) return chosen.status();
  const FormatDriver& format = **chosen;
  auto signatures = FindSignatures(io, file);
  if (!signatures.ok()) return signatures.status();

  Inspection inspection = {.format = std::string(format.name),
                           .signatures = std::move(*signatures)};
  for (const FormatDriver* other : *matching) {
    if (other != &format && other->name != "raw") {
      inspection.other_formats.emplace_back(other->name);
    }
  }
  const OpenOptions options = {.max_virtual_size = job.limits.max_virtual_size,
                               .describe_only = true,
                               .on_device = job.source.device};
  const Result<std::unique_ptr<ImageReader>> reader = format.open(io, file, options);
  if (!reader.ok()) {
    inspection.failure = reader.status();
    return inspection;
  }
  inspection.info = (*reader)->Describe();
  DropOwnStream(io, **reader, inspection);
  if (format.survey != nullptr) {
    inspection.survey.set_thorough(job.check);
    inspection.failure = format.survey(io, file, inspection.survey);
    if (!inspection.failure.ok()) return inspection;
  }
  LookDeeper(io, format, file, options, job, inspection);
  return inspection;
}

}  // namespace hotcell::guest
