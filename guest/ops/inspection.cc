#include "guest/ops/inspection.h"

#include <memory>
#include <utility>
#include <vector>

#include "guest/formats/chain.h"
#include "guest/ops/chunk_reader.h"

namespace hotcell::guest {
namespace {

// A walk that is not over by then says no more of the image.
constexpr uint32_t kMaxExtents = 1 << 20;
// Unpacking all of a big disk is the business of who reads it.
constexpr uint64_t kMaxUnpacked = 64 << 20;

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

void LookDeeper(IoChannel& io, const FormatDriver& format, const FileHandle& file,
                const OpenOptions& options, Inspection& inspection) {
  OpenOptions all = options;
  all.describe_only = false;
  // Tables grow with the disk.
  inspection.check_failure = CheckVirtualSize(format.name, inspection.info->virtual_size, all);
  if (!inspection.check_failure.ok()) return;
  if (format.check != nullptr) {
    Result<CheckResult> result = format.check(io, file, all);
    if (result.ok()) {
      inspection.check = std::move(*result);
    } else {
      inspection.check_failure = result.status();
    }
  }
  // Files that it names are not opened, so that what needs them cannot be.
  if (!inspection.info->references.empty() || inspection.info->encrypted) return;
  const Result<std::unique_ptr<ImageReader>> reader = format.open(io, file, all);
  Status status = reader.ok() ? OkStatus() : reader.status();
  if (reader.ok()) status = WalkExtents(io, file, **reader);
  if (inspection.check_failure.ok()) inspection.check_failure = std::move(status);
}

}  // namespace

Result<Inspection> Examine(IoChannel& io, const hotcell_v1_Job& job) {
  const hotcell_v1_InspectJob& inspect = job.operation.inspect;
  if (!inspect.has_source) return InvalidArgument("the job names no file to inspect");
  const FileHandle file = {.slot = inspect.source.slot, .size = inspect.source.size};
  auto matching = ProbeAllFormats(io, file);
  if (!matching.ok()) return matching.status();
  const Result<const FormatDriver*> chosen = ChooseFormat(io, file, inspect.source.format);
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
  const OpenOptions options = {.max_virtual_size = job.max_virtual_size, .describe_only = true};
  const Result<std::unique_ptr<ImageReader>> reader = format.open(io, file, options);
  if (!reader.ok()) {
    inspection.failure = reader.status();
    return inspection;
  }
  inspection.info = (*reader)->Describe();
  if (format.survey != nullptr) {
    inspection.survey.set_thorough(inspect.check);
    inspection.failure = format.survey(io, file, inspection.survey);
    if (!inspection.failure.ok()) return inspection;
  }
  if (inspect.check) LookDeeper(io, format, file, options, inspection);
  return inspection;
}

}  // namespace hotcell::guest
