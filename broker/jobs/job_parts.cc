#include "broker/jobs/job_parts.h"

#include "absl/strings/str_cat.h"
#include "hotcell/text.h"
#include "protos/job_sizes.h"

namespace hotcell::broker {
namespace {

constexpr absl::string_view kRaw = "raw";

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

// Without the directory; empty when it can be no file's.
std::string FileName(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.size() <= wire::kMaxTargetImageName ? name : "";
}

absl::Status CheckTexts(const TargetParts& target) {
  absl::Status status = CheckFormatAndOptions(target.format, target.options);
  if (!status.ok() || !target.backing) return status;
  status = CheckText("the backing file", target.backing->name, wire::kMaxBackingImageName);
  if (!status.ok()) return status;
  return CheckText("the backing format", target.backing->format, wire::kMaxBackingImageFormat);
}

}  // namespace

absl::Status CheckText(absl::string_view what, const std::string& text, size_t max_size) {
  if (text.size() > max_size || text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(what, " ", Quote(text), " is longer than ",
                                                   max_size, " bytes or has a NUL byte in it"));
  }
  return absl::OkStatus();
}

Access AccessOf(CacheMode mode) {
  return mode == CacheMode::kNone || mode == CacheMode::kDirectSync ? Access::kDirect
                                                                    : Access::kCached;
}

absl::Status AddSnapshot(const std::string& id_or_name, const std::optional<std::string>& id,
                         const std::optional<std::string>& name, v1::SnapshotSelector& selector) {
  absl::Status status = CheckText("the snapshot", id_or_name, wire::kMaxSnapshotSelectorIdOrName);
  if (status.ok() && id) status = CheckText("the snapshot's id", *id, wire::kMaxSnapshotSelectorId);
  if (status.ok() && name)
    status = CheckText("the snapshot's name", *name, wire::kMaxSnapshotSelectorName);
  if (!id_or_name.empty()) {
    if (id || name) {
      return absl::InvalidArgumentError(
          "a snapshot is named by its id or name, or by what each of them is, not both");
    }
    selector.set_id_or_name(id_or_name);
  }
  if (id) selector.set_id(*id);
  if (name) selector.set_name(*name);
  return status;
}

absl::Status AddSource(const SourceImage& source, Access access, FileTable& files,
                       v1::SourceImage& image) {
  if (absl::Status status =
          CheckText("the source format", source.format, wire::kMaxSourceImageFormat);
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<uint32_t> slot = files.AddInput(source.fd, source.name, access);
  if (!slot.ok()) return slot.status();
  const JobFile& file = *files.Find(*slot);
  image.set_slot(*slot);
  image.set_size(file.size);
  image.set_device(file.block_device);
  image.set_format(source.format);
  return absl::OkStatus();
}

absl::Status AddEdited(const EditedImage& edited, FileTable& files, v1::EditedImage& image) {
  absl::Status status = CheckText("the image's format", edited.format, wire::kMaxEditedImageFormat);
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

absl::Status CheckFormatAndOptions(const std::string& format, const FormatOptions& options) {
  absl::Status status = CheckText("the target format", format, wire::kMaxTargetImageFormat);
  if (options.size() > wire::kMaxTargetImageOptions) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", wire::kMaxTargetImageOptions, " target options"));
  }
  for (const auto& [key, value] : options) {
    if (status.ok()) status = CheckText("the target option", key, wire::kMaxFormatOptionKey);
    if (status.ok()) status = CheckText("the value", value, wire::kMaxFormatOptionValue);
  }
  return status;
}

void AddOptions(const FormatOptions& options,
                google::protobuf::RepeatedPtrField<v1::FormatOption>& out) {
  for (const auto& [key, value] : options) {
    v1::FormatOption& option = *out.Add();
    option.set_key(key);
    option.set_value(value);
  }
}

absl::Status AddTarget(const TargetParts& target, FileTable& files, v1::TargetImage& image) {
  if (absl::Status status = CheckTexts(target); !status.ok()) return status;
  const absl::StatusOr<uint32_t> slot =
      files.AddOutput(target.fd, target.name, DurabilityOf(target.cache),
                      /*fresh=*/!target.exists, AccessOf(target.cache));
  if (!slot.ok()) return slot.status();
  if (target.replaces) {
    if (absl::Status status = files.AddReplacedFile(*target.replaces); !status.ok()) return status;
  }
  if (target.open_extent_file) {
    files.AllowExtentFiles(target.open_extent_file, DurabilityOf(target.cache),
                           AccessOf(target.cache));
  }
  const JobFile& file = *files.Find(*slot);
  image.set_slot(*slot);
  image.set_format(target.format);
  image.set_name(FileName(target.name));
  AddOptions(target.options, *image.mutable_options());
  // What a device holds is not known either, and its size is what it is. Raw disks, which leave
  // nothing out, are written over it; for another image the device is made as good as a new file.
  const bool renewed = file.block_device && !target.exists && target.format != kRaw;
  if (renewed) files.Renew(*slot);
  image.set_exists((target.exists || file.block_device) && !renewed);
  if (image.exists() || renewed) image.set_file_size(file.size);
  if (target.backing) {
    v1::BackingImage& backing = *image.mutable_backing();
    backing.set_name(target.backing->name);
    backing.set_format(target.backing->format);
    backing.set_size(target.backing->size);
  }
  return absl::OkStatus();
}

}  // namespace hotcell::broker
