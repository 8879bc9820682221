#include "broker/jobs/job_builder.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

constexpr absl::string_view kRaw = "raw";
// What fits the guest's fixed fields (protos/job.options).
constexpr size_t kMaxFormat = 31;
constexpr size_t kMaxOptionKey = 63;
constexpr size_t kMaxOptionValue = 511;
constexpr size_t kMaxOptions = 32;
constexpr size_t kMaxFileName = 255;
constexpr size_t kMaxSnapshot = 1023;
constexpr size_t kMaxBackingName = 1023;
constexpr size_t kMaxMoreSources = 63;

constexpr uint64_t kSectorSize = 512;

// These go into the job as they are.
static_assert(static_cast<int>(SizeChange::kTo) == v1::SIZE_CHANGE_TO &&
              static_cast<int>(SizeChange::kGrowBy) == v1::SIZE_CHANGE_GROW_BY &&
              static_cast<int>(SizeChange::kShrinkBy) == v1::SIZE_CHANGE_SHRINK_BY);
static_assert(static_cast<int>(Preallocation::kOff) == v1::PREALLOCATION_OFF &&
              static_cast<int>(Preallocation::kMetadata) == v1::PREALLOCATION_METADATA &&
              static_cast<int>(Preallocation::kFalloc) == v1::PREALLOCATION_FALLOC &&
              static_cast<int>(Preallocation::kFull) == v1::PREALLOCATION_FULL);

absl::Status CheckText(absl::string_view what, const std::string& text, size_t max_size) {
  if (text.size() > max_size || text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(what, " ", Quote(text), " is longer than ",
                                                   max_size, " bytes or has a NUL byte in it"));
  }
  return absl::OkStatus();
}

Durability DurabilityOf(CacheMode mode) {
  switch (mode) {
    case CacheMode::kUnsafe:
      return Durability::kNone;
    case CacheMode::kDirectSync:
    case CacheMode::kWriteThrough:
      return Durability::kEveryWrite;
    case CacheMode::kNone:
    case CacheMode::kWriteback:
      return Durability::kOnFlush;
  }
  return Durability::kOnFlush;
}

Access AccessOf(CacheMode mode) {
  return mode == CacheMode::kNone || mode == CacheMode::kDirectSync ? Access::kDirect
                                                                    : Access::kCached;
}

// Of a request that names an internal snapshot.
template <typename Request>
absl::Status AddSnapshot(const Request& request, v1::SnapshotSelector& selector) {
  absl::Status status = CheckText("the snapshot", request.snapshot, kMaxSnapshot);
  const std::string none;
  const std::string& id = request.snapshot_id ? *request.snapshot_id : none;
  const std::string& name = request.snapshot_name ? *request.snapshot_name : none;
  if (status.ok()) status = CheckText("the snapshot's id", id, kMaxSnapshot);
  if (status.ok()) status = CheckText("the snapshot's name", name, kMaxSnapshot);
  if (!request.snapshot.empty()) {
    if (request.snapshot_id || request.snapshot_name) {
      return absl::InvalidArgumentError(
          "a snapshot is named by its id or name, or by what each of them is, not both");
    }
    selector.set_id_or_name(request.snapshot);
  }
  if (request.snapshot_id) selector.set_id(id);
  if (request.snapshot_name) selector.set_name(name);
  return status;
}

template <typename Request>
bool NamesSnapshot(const Request& request) {
  return !request.snapshot.empty() || request.snapshot_id || request.snapshot_name;
}

absl::Status AddSource(const ImageSource& source, Access access, FileTable& files,
                       v1::SourceImage& image) {
  if (absl::Status status = CheckText("the source format", source.format, kMaxFormat);
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<uint32_t> slot = files.AddInput(source.fd, source.name, access);
  if (!slot.ok()) return slot.status();
  image.set_slot(*slot);
  image.set_size(files.Find(*slot)->size);
  image.set_format(source.format);
  return absl::OkStatus();
}

absl::Status AddEdited(const EditedImage& edited, FileTable& files, v1::EditedImage& image) {
  absl::Status status = CheckText("the image's format", edited.format, kMaxFormat);
  if (!status.ok()) return status;
  const absl::StatusOr<uint32_t> slot = files.AddOutput(
      edited.fd, edited.name, DurabilityOf(edited.cache), /*fresh=*/false, AccessOf(edited.cache));
  if (!slot.ok()) return slot.status();
  const JobFile& file = *files.Find(*slot);
  image.set_slot(*slot);
  image.set_size(file.size);
  image.set_format(edited.format);
  image.set_device(file.block_device);
  return absl::OkStatus();
}

v1::Job JobWithLimits(const Limits& limits) {
  v1::Job job;
  job.set_lanes(1);
  job.set_max_virtual_size(limits.virtual_size);
  job.set_max_chain_depth(limits.chain_depth);
  return job;
}

// Without the directory; empty when it can be no file's.
std::string FileName(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.size() <= kMaxFileName ? name : "";
}

struct Target {
  int fd;
  const std::string& name;
  const std::string& format;
  const std::vector<std::pair<std::string, std::string>>& options;
  const std::optional<TargetBase>& backing;
  CacheMode cache = CacheMode::kUnsafe;
  bool existing = false;
  const ExtentOpener& open_extent;
  std::optional<FileIdentity> replaces = {};
};

using Options = std::vector<std::pair<std::string, std::string>>;

absl::Status CheckFormatAndOptions(const std::string& format, const Options& options) {
  absl::Status status = CheckText("the target format", format, kMaxFormat);
  if (options.size() > kMaxOptions) {
    return absl::InvalidArgumentError(absl::StrCat("at most ", kMaxOptions, " target options"));
  }
  for (const auto& [key, value] : options) {
    if (status.ok()) status = CheckText("the target option", key, kMaxOptionKey);
    if (status.ok()) status = CheckText("the value", value, kMaxOptionValue);
  }
  return status;
}

void AddOptions(const Options& options, google::protobuf::RepeatedPtrField<v1::FormatOption>& out) {
  for (const auto& [key, value] : options) {
    v1::FormatOption& option = *out.Add();
    option.set_key(key);
    option.set_value(value);
  }
}

absl::Status CheckTexts(const Target& target) {
  absl::Status status = CheckFormatAndOptions(target.format, target.options);
  if (status.ok() && target.backing) {
    status = CheckText("the backing file", target.backing->name, kMaxBackingName);
    if (status.ok()) status = CheckText("the backing format", target.backing->format, kMaxFormat);
  }
  return status;
}

absl::Status AddTarget(const Target& target, FileTable& files, v1::TargetImage& image) {
  if (absl::Status status = CheckTexts(target); !status.ok()) return status;
  const absl::StatusOr<uint32_t> slot =
      files.AddOutput(target.fd, target.name, DurabilityOf(target.cache),
                      /*fresh=*/!target.existing, AccessOf(target.cache));
  if (!slot.ok()) return slot.status();
  if (target.replaces) {
    if (absl::Status status = files.AddReplacedFile(*target.replaces); !status.ok()) return status;
  }
  if (target.open_extent) {
    files.AllowExtents(target.open_extent, DurabilityOf(target.cache), AccessOf(target.cache));
  }
  const JobFile& file = *files.Find(*slot);
  image.set_slot(*slot);
  image.set_format(target.format);
  image.set_name(FileName(target.name));
  AddOptions(target.options, *image.mutable_options());
  // What a device holds is not known either, and its size is what it is. Raw disks, which leave
  // nothing out, are written over it; for another image the device is made as good as a new file.
  const bool renewed = file.block_device && !target.existing && target.format != kRaw;
  if (renewed) files.Renew(*slot);
  image.set_existing((target.existing || file.block_device) && !renewed);
  if (image.existing() || renewed) image.set_existing_size(file.size);
  if (target.backing) {
    v1::BackingImage& backing = *image.mutable_backing();
    backing.set_name(target.backing->name);
    backing.set_format(target.backing->format);
    backing.set_size(target.backing->size);
  }
  return absl::OkStatus();
}

absl::Status AddSources(const ConvertRequest& request, FileTable& files, v1::ConvertJob& convert) {
  const Access access = AccessOf(request.source_cache);
  absl::Status status = AddSource(request.source, access, files, *convert.mutable_source());
  if (request.more_sources.size() > kMaxMoreSources) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", kMaxMoreSources + 1, " images are concatenated"));
  }
  for (const ImageSource& source : request.more_sources) {
    if (status.ok()) status = AddSource(source, access, files, *convert.add_more_sources());
  }
  return status;
}

}  // namespace

absl::StatusOr<v1::Job> BuildConvertJob(const ConvertRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::ConvertJob& convert = *job.mutable_convert();
  absl::Status status;
  if (NamesSnapshot(request)) status = AddSnapshot(request, *convert.mutable_snapshot());
  if (status.ok()) status = AddSources(request, files, convert);
  if (status.ok()) {
    status = AddTarget({.fd = request.target_fd,
                        .name = request.target_name,
                        .format = request.target_format,
                        .options = request.target_options,
                        .backing = request.target_backing,
                        .cache = request.target_cache,
                        .existing = request.target_is_existing,
                        .open_extent = request.open_extent,
                        .replaces = request.target_replaces},
                       files, *convert.mutable_target());
  }
  if (!status.ok()) return status;
  if (request.window) {
    if (!request.more_sources.empty()) {
      return absl::InvalidArgumentError("a window of several images cannot be converted");
    }
    convert.mutable_window()->set_begin(request.window->begin);
    convert.mutable_window()->set_end(request.window->end);
  }
  convert.mutable_target()->set_compress(request.compress);
  convert.mutable_target()->set_existing_is_zero(request.target_is_zero);
  convert.mutable_target()->set_disk_size(request.target_disk_size);
  convert.set_sparse_size(request.sparse_size);
  convert.set_copy(request.copy_offload);
  if (request.inspect) {
    if (!request.more_sources.empty()) {
      return absl::InvalidArgumentError("only one image can be inspected before it is converted");
    }
    convert.set_inspect(true);
    convert.set_inspect_check(request.inspect->check);
  }
  return job;
}

absl::StatusOr<v1::Job> BuildCreateJob(const CreateRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::ConvertJob& convert = *job.mutable_convert();
  if (absl::Status status = AddTarget({.fd = request.target_fd,
                                       .name = request.target_name,
                                       .format = request.target_format,
                                       .options = request.target_options,
                                       .backing = request.backing,
                                       .open_extent = request.open_extent},
                                      files, *convert.mutable_target());
      !status.ok()) {
    return status;
  }
  convert.set_size(request.size);
  convert.set_sparse_size(kSectorSize);
  return job;
}

absl::StatusOr<v1::Job> BuildMapJob(const MapRequest& request, int records_fd, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::MapJob& map = *job.mutable_map();
  absl::Status status = AddSource(request.source, Access::kCached, files, *map.mutable_source());
  if (!status.ok()) return status;
  const absl::StatusOr<uint32_t> slot =
      files.AddOutput(records_fd, "the map", Durability::kNone, /*fresh=*/true);
  if (!slot.ok()) return slot.status();
  map.set_records_slot(*slot);
  map.set_begin(request.begin);
  map.set_length(request.length);
  return job;
}

absl::StatusOr<v1::Job> BuildMeasureJob(const MeasureRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::MeasureJob& measure = *job.mutable_measure();
  absl::Status status = CheckFormatAndOptions(request.target_format, request.target_options);
  if (status.ok() && NamesSnapshot(request)) {
    status = AddSnapshot(request, *measure.mutable_snapshot());
  }
  if (status.ok() && request.source.fd >= 0) {
    status = AddSource(request.source, Access::kCached, files, *measure.mutable_source());
  }
  if (!status.ok()) return status;
  measure.set_size(request.size);
  measure.set_format(request.target_format);
  AddOptions(request.target_options, *measure.mutable_options());
  measure.set_has_backing(request.target_has_backing);
  return job;
}

absl::StatusOr<v1::Job> BuildResizeJob(const ResizeRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::ResizeJob& resize = *job.mutable_resize();
  if (absl::Status status = AddEdited(request.image, files, *resize.mutable_image());
      !status.ok()) {
    return status;
  }
  resize.set_change(static_cast<v1::SizeChange>(request.change));
  resize.set_size(request.size);
  resize.set_shrink(request.shrink);
  resize.set_preallocation(static_cast<v1::Preallocation>(request.preallocation));
  return job;
}

absl::StatusOr<v1::Job> BuildRebaseJob(const RebaseRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::RebaseJob& rebase = *job.mutable_rebase();
  absl::Status status = CheckText("the backing file", request.backing_name, kMaxBackingName);
  if (status.ok()) status = CheckText("the backing format", request.backing_format, kMaxFormat);
  if (status.ok()) status = AddEdited(request.image, files, *rebase.mutable_image());
  if (!status.ok()) return status;
  rebase.set_backing_name(request.backing_name);
  rebase.set_backing_format(request.backing_format);
  return job;
}

absl::StatusOr<v1::Job> BuildInfoJob(const InfoRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  if (absl::Status status =
          AddSource(request.source, Access::kCached, files, *job.mutable_info()->mutable_source());
      !status.ok()) {
    return status;
  }
  job.mutable_info()->set_backing_chain(request.backing_chain);
  return job;
}

absl::StatusOr<v1::Job> BuildCompareJob(const CompareRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::CompareJob& compare = *job.mutable_compare();
  const Access access = AccessOf(request.source_cache);
  absl::Status status = AddSource(request.first, access, files, *compare.mutable_first());
  if (status.ok()) status = AddSource(request.second, access, files, *compare.mutable_second());
  if (!status.ok()) return status;
  compare.set_strict(request.strict);
  return job;
}

absl::StatusOr<v1::Job> BuildDigestJob(const DigestRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  absl::Status status = AddSource(request.source, AccessOf(request.source_cache), files,
                                  *job.mutable_digest()->mutable_source());
  if (!status.ok()) return status;
  return job;
}

absl::StatusOr<v1::Job> BuildCheckJob(const CheckRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  absl::Status status = AddSource(request.source, AccessOf(request.source_cache), files,
                                  *job.mutable_check()->mutable_source());
  if (!status.ok()) return status;
  return job;
}

absl::StatusOr<v1::Job> BuildInspectJob(const InspectRequest& request, FileTable& files) {
  v1::Job job = JobWithLimits(request.options.limits);
  v1::InspectJob& inspect = *job.mutable_inspect();
  absl::Status status =
      AddSource(request.source, Access::kCached, files, *inspect.mutable_source());
  if (!status.ok()) return status;
  inspect.set_check(request.check);
  return job;
}

}  // namespace hotcell::broker
