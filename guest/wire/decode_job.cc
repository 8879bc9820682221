#include "guest/wire/decode_job.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "pb_decode.h"
#include "protos/job.pb.h"

namespace hotcell::guest {
namespace {

// What one of nanopb's arrays of bytes holds, as long as it does.
template <typename Bytes>
std::string TextOf(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes), bytes.size};
}

ChainLimits LimitsOf(const hotcell_v1_Job& job) {
  return {.max_depth = job.max_chain_depth, .max_virtual_size = job.max_virtual_size};
}

SourceImage SourceOf(const hotcell_v1_SourceImage& image) {
  return {.file = {.slot = image.slot, .size = image.size},
          .format = TextOf(image.format),
          .device = image.device};
}

EditedImage EditedOf(const hotcell_v1_EditedImage& image) {
  return {.file = {.slot = image.slot, .size = image.size},
          .format = TextOf(image.format),
          .device = image.device};
}

// The internal snapshot that a ConvertJob or a MeasureJob asks for.
template <typename Operation>
SnapshotSelector SnapshotOf(const Operation& job) {
  SnapshotSelector selector;
  if (!job.has_snapshot) return selector;
  if (job.snapshot.has_id) selector.id = TextOf(job.snapshot.id);
  if (job.snapshot.has_name) selector.name = TextOf(job.snapshot.name);
  if (job.snapshot.has_id_or_name) selector.id_or_name = TextOf(job.snapshot.id_or_name);
  return selector;
}

// The `-o` of a TargetImage or a MeasureJob.
template <typename Message>
std::vector<FormatOption> OptionsOf(const Message& message) {
  std::vector<FormatOption> options;
  for (const hotcell_v1_FormatOption& option :
       std::span(message.options).first(message.options_count)) {
    options.push_back({.key = TextOf(option.key), .value = TextOf(option.value)});
  }
  return options;
}

TargetImage TargetOf(const hotcell_v1_TargetImage& image) {
  TargetImage target = {.slot = image.slot,
                        .name = TextOf(image.name),
                        .format = TextOf(image.format),
                        .options = OptionsOf(image),
                        .compress = image.compress,
                        .exists = image.exists,
                        .file_size = image.file_size,
                        .is_zero = image.is_zero,
                        .disk_size = image.disk_size};
  if (image.has_backing) {
    target.backing = {.name = TextOf(image.backing.name),
                      .format = TextOf(image.backing.format),
                      .size = image.backing.size};
  }
  return target;
}

Result<Job> DecodeConvert(const hotcell_v1_Job& job) {
  const hotcell_v1_ConvertJob& convert = job.operation.convert;
  if (convert.inspect && !convert.has_source) {
    return InvalidArgument("the job names no file to inspect");
  }
  ConvertJob decoded = {.limits = LimitsOf(job),
                        .size = convert.size,
                        .snapshot = SnapshotOf(convert),
                        .target = TargetOf(convert.target),
                        .sparse_size = convert.sparse_size,
                        .copy_offload = convert.copy_offload,
                        .inspect = convert.inspect,
                        .inspect_check = convert.inspect_check};
  if (convert.has_source) decoded.source = SourceOf(convert.source);
  for (const hotcell_v1_SourceImage& source :
       std::span(convert.more_sources).first(convert.more_sources_count)) {
    decoded.more_sources.push_back(SourceOf(source));
  }
  if (convert.has_window) {
    decoded.window = {.begin = convert.window.begin, .end = convert.window.end};
  }
  return Job(std::move(decoded));
}

Result<Job> DecodeInfo(const hotcell_v1_Job& job) {
  const hotcell_v1_InfoJob& info = job.operation.info;
  if (!info.has_source) return InvalidArgument("the job names no image to inspect");
  return Job(InfoJob{.limits = LimitsOf(job),
                     .source = SourceOf(info.source),
                     .backing_chain = info.backing_chain});
}

Result<Job> DecodeCompare(const hotcell_v1_Job& job) {
  const hotcell_v1_CompareJob& compare = job.operation.compare;
  if (!compare.has_first || !compare.has_second) {
    return InvalidArgument("the job names no two images to compare");
  }
  return Job(CompareJob{.limits = LimitsOf(job),
                        .first = SourceOf(compare.first),
                        .second = SourceOf(compare.second),
                        .strict = compare.strict});
}

Result<Job> DecodeDigest(const hotcell_v1_Job& job) {
  const hotcell_v1_DigestJob& digest = job.operation.digest;
  if (!digest.has_source) return InvalidArgument("the job names no image to hash");
  return Job(DigestJob{.limits = LimitsOf(job), .source = SourceOf(digest.source)});
}

Result<Job> DecodeCheck(const hotcell_v1_Job& job) {
  const hotcell_v1_CheckJob& check = job.operation.check;
  if (!check.has_source) return InvalidArgument("the job names no image to check");
  return Job(CheckJob{.limits = LimitsOf(job), .source = SourceOf(check.source)});
}

Result<Job> DecodeInspect(const hotcell_v1_Job& job) {
  const hotcell_v1_InspectJob& inspect = job.operation.inspect;
  if (!inspect.has_source) return InvalidArgument("the job names no file to inspect");
  return Job(InspectJob{
      .limits = LimitsOf(job), .source = SourceOf(inspect.source), .check = inspect.check});
}

Result<Job> DecodeMap(const hotcell_v1_Job& job) {
  const hotcell_v1_MapJob& map = job.operation.map;
  if (!map.has_source) return InvalidArgument("the job names no image to map");
  return Job(MapJob{.limits = LimitsOf(job),
                    .source = SourceOf(map.source),
                    .records_slot = map.records_slot,
                    .begin = map.begin,
                    .length = map.length});
}

Result<Job> DecodeMeasure(const hotcell_v1_Job& job) {
  const hotcell_v1_MeasureJob& measure = job.operation.measure;
  MeasureJob decoded = {.limits = LimitsOf(job),
                        .snapshot = SnapshotOf(measure),
                        .size = measure.size,
                        .format = TextOf(measure.format),
                        .options = OptionsOf(measure),
                        .has_backing = measure.has_backing};
  if (measure.has_source) decoded.source = SourceOf(measure.source);
  return Job(std::move(decoded));
}

// Nullopt: there is no such value.
std::optional<SizeChange> SizeChangeOf(uint32_t change) {
  switch (change) {
    case hotcell_v1_SizeChange_SIZE_CHANGE_TO:
      return SizeChange::kTo;
    case hotcell_v1_SizeChange_SIZE_CHANGE_GROW_BY:
      return SizeChange::kGrowBy;
    case hotcell_v1_SizeChange_SIZE_CHANGE_SHRINK_BY:
      return SizeChange::kShrinkBy;
    default:
      return std::nullopt;
  }
}

std::optional<Preallocation> PreallocationOf(uint32_t preallocation) {
  switch (preallocation) {
    case hotcell_v1_Preallocation_PREALLOCATION_OFF:
      return Preallocation::kOff;
    case hotcell_v1_Preallocation_PREALLOCATION_METADATA:
      return Preallocation::kMetadata;
    case hotcell_v1_Preallocation_PREALLOCATION_FALLOC:
      return Preallocation::kFalloc;
    case hotcell_v1_Preallocation_PREALLOCATION_FULL:
      return Preallocation::kFull;
    default:
      return std::nullopt;
  }
}

// The decoder puts any number into an enumeration, which may not be read as one then.
template <typename Enumeration>
uint32_t NumberOf(const Enumeration& value) {
  static_assert(sizeof(Enumeration) == sizeof(uint32_t));
  uint32_t number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

Result<Job> DecodeResize(const hotcell_v1_Job& job) {
  const hotcell_v1_ResizeJob& resize = job.operation.resize;
  if (!resize.has_image) return InvalidArgument("the job names no image to resize");
  const auto change = SizeChangeOf(NumberOf(resize.change));
  const auto preallocation = PreallocationOf(NumberOf(resize.preallocation));
  if (!change || !preallocation) {
    return InvalidArgument("the job cannot be decoded: no such change of size or preallocation");
  }
  return Job(ResizeJob{.limits = LimitsOf(job),
                       .image = EditedOf(resize.image),
                       .change = *change,
                       .size = resize.size,
                       .shrink = resize.shrink,
                       .preallocation = *preallocation});
}

Result<Job> DecodeRebase(const hotcell_v1_Job& job) {
  const hotcell_v1_RebaseJob& rebase = job.operation.rebase;
  if (!rebase.has_image) return InvalidArgument("the job names no image to rebase");
  return Job(RebaseJob{.image = EditedOf(rebase.image),
                       .backing_name = TextOf(rebase.backing_name),
                       .backing_format = TextOf(rebase.backing_format)});
}

Result<Job> DecodeOperation(const hotcell_v1_Job& job) {
  switch (job.which_operation) {
    case hotcell_v1_Job_convert_tag:
      return DecodeConvert(job);
    case hotcell_v1_Job_info_tag:
      return DecodeInfo(job);
    case hotcell_v1_Job_compare_tag:
      return DecodeCompare(job);
    case hotcell_v1_Job_digest_tag:
      return DecodeDigest(job);
    case hotcell_v1_Job_check_tag:
      return DecodeCheck(job);
    case hotcell_v1_Job_inspect_tag:
      return DecodeInspect(job);
    case hotcell_v1_Job_map_tag:
      return DecodeMap(job);
    case hotcell_v1_Job_measure_tag:
      return DecodeMeasure(job);
    case hotcell_v1_Job_resize_tag:
      return DecodeResize(job);
    case hotcell_v1_Job_rebase_tag:
      return DecodeRebase(job);
    default:
      return InvalidArgument("the job asks for no operation");
  }
}

}  // namespace

Result<Job> DecodeJob(std::span<const std::byte> bytes) {
  // Some 20 KiB: too much for a stack that has others to carry.
  const auto job = std::make_unique<hotcell_v1_Job>();
  pb_istream_t stream =
      pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
  if (!pb_decode(&stream, hotcell_v1_Job_fields, job.get())) {
    return InvalidArgument(StrCat("the job cannot be decoded: ", PB_GET_ERROR(&stream)));
  }
  return DecodeOperation(*job);
}

}  // namespace hotcell::guest
