#include "broker/job_builder.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// What fits the guest's fixed fields (protos/job.options), the closing NUL not counted.
constexpr size_t kMaxFormat = 31;
constexpr size_t kMaxOptionKey = 63;
constexpr size_t kMaxOptionValue = 511;
constexpr size_t kMaxOptions = 32;
constexpr size_t kMaxFileName = 255;
constexpr size_t kMaxSnapshot = 1023;

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

absl::Status CheckTexts(const ConvertRequest& request) {
  absl::Status status = CheckText("the target format", request.target_format, kMaxFormat);
  if (status.ok()) status = CheckText("the snapshot", request.snapshot, kMaxSnapshot);
  if (request.target_options.size() > kMaxOptions) {
    return absl::InvalidArgumentError(absl::StrCat("at most ", kMaxOptions, " target options"));
  }
  for (const auto& [key, value] : request.target_options) {
    if (status.ok()) status = CheckText("the target option", key, kMaxOptionKey);
    if (status.ok()) status = CheckText("the value", value, kMaxOptionValue);
  }
  return status;
}

}  // namespace

absl::StatusOr<v1::Job> BuildConvertJob(const ConvertRequest& request, FileTable& files) {
  if (absl::Status status = CheckTexts(request); !status.ok()) return status;
  v1::Job job = JobWithLimits(request.options.limits);
  v1::ConvertJob& convert = *job.mutable_convert();
  if (absl::Status status = AddSource(request.source, AccessOf(request.source_cache), files,
                                      *convert.mutable_source());
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<uint32_t> slot =
      files.AddOutput(request.target_fd, request.target_name, DurabilityOf(request.target_cache),
                      /*fresh=*/!request.target_is_existing, AccessOf(request.target_cache));
  if (!slot.ok()) return slot.status();
  const JobFile& file = *files.Find(*slot);
  v1::TargetImage& target = *convert.mutable_target();
  target.set_slot(*slot);
  target.set_format(request.target_format);
  target.set_name(FileName(request.target_name));
  target.set_compress(request.compress);
  for (const auto& [key, value] : request.target_options) {
    v1::FormatOption& option = *target.add_options();
    option.set_key(key);
    option.set_value(value);
  }
  // What a device holds is not known either, and its size is what it is.
  target.set_existing(request.target_is_existing || file.block_device);
  if (target.existing()) target.set_existing_size(file.size);
  convert.set_snapshot(request.snapshot);
  convert.set_sparse_size(request.sparse_size);
  convert.set_copy(request.copy_offload);
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

}  // namespace hotcell::broker
