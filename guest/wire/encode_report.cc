#include "guest/wire/encode_report.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>

#include "base/text.h"
#include "pb_encode.h"
#include "protos/report.pb.h"

namespace hotcell::guest {

namespace {

// nanopb counts and sizes are 16 bits wide. No format's strings are that long; lists are cut, and a
// report that was cut says so.
constexpr size_t kMaxCount = UINT16_MAX;

template <size_t kSize>
void CopyText(char (&to)[kSize], std::string_view text) {
  to[text.copy(to, kSize - 1)] = '\0';
}

// Of details that have no value of their own.
hotcell_v1_Detail_Kind WireKind(Detail::Kind kind) {
  switch (kind) {
    case Detail::Kind::kOwnFile:
      return hotcell_v1_Detail_Kind_KIND_OWN_FILE;
    case Detail::Kind::kList:
      return hotcell_v1_Detail_Kind_KIND_LIST;
    case Detail::Kind::kDictionary:
      return hotcell_v1_Detail_Kind_KIND_DICTIONARY;
    case Detail::Kind::kBitmaps:
      return hotcell_v1_Detail_Kind_KIND_BITMAPS;
    default:
      return hotcell_v1_Detail_Kind_KIND_UNSPECIFIED;
  }
}

hotcell_v1_Signature MakeSignature(const FileSignature& signature) {
  return {.offset = signature.offset,
          .kind = static_cast<hotcell_v1_SignatureKind>(signature.kind)};
}

// A nanopb message refers to its variable parts by pointer; this owns them.
class ReportMessage {
 public:
  ReportMessage() = default;
  ReportMessage(const ReportMessage&) = delete;
  ReportMessage& operator=(const ReportMessage&) = delete;

  const hotcell_v1_Report& message() const { return message_; }

  void SetError(const Status& error);
  void SetConvert(const ConvertSummary& summary);
  void SetMap(const MapSummary& summary);
  void SetMeasure(const MeasureSummary& summary);
  void SetResize(const ResizeSummary& summary);
  void SetRebase(const RebaseSummary& summary);
  void SetInfo(const std::vector<ImageDescription>& images);
  void SetCompare(const CompareSummary& summary);
  void SetDigest(const DigestSummary& summary);
  void SetCheck(const CheckSummary& summary);
  void SetInspection(const Inspection& inspection);

 private:
  pb_bytes_array_t* Bytes(std::string_view text);
  template <typename T>
  static pb_size_t Counted(const std::vector<T>& items) {
    return static_cast<pb_size_t>(std::min(items.size(), kMaxCount));
  }
  hotcell_v1_Error MakeError(const Status& error);
  hotcell_v1_CheckReport MakeCheck(const CheckResult& result);
  hotcell_v1_ImageInfo MakeInfo(const ImageDescription& description);
  // What `make` makes of each that there is room for, kept as one more of `lists`.
  template <typename Part, typename Native>
  std::vector<Part>& MakeEach(std::deque<std::vector<Part>>& lists, std::string_view what,
                              const std::vector<Native>& natives,
                              Part (ReportMessage::*make)(const Native&));
  void AddLists(const ImageDescription& description, hotcell_v1_ImageInfo& info);
  hotcell_v1_Snapshot MakeSnapshot(const SnapshotInfo& snapshot);
  hotcell_v1_Bitmap MakeBitmap(const BitmapInfo& bitmap);
  hotcell_v1_Detail MakeDetail(const Detail& detail);
  hotcell_v1_ReferenceInfo MakeReference(const Reference& reference);
  std::vector<char*>& TextList(const std::vector<std::string>& texts);
  void AddWarning(std::string_view text);
  void NoteCut(std::string_view what, size_t count);

  hotcell_v1_Report message_ = hotcell_v1_Report_init_zero;
  std::deque<std::vector<std::byte>> bytes_;
  std::deque<std::vector<char*>> text_lists_;
  std::vector<pb_bytes_array_t*> warnings_;
  // What the messages of the images point to; an element is one image's.
  std::deque<std::vector<hotcell_v1_Snapshot>> snapshots_;
  std::deque<std::vector<hotcell_v1_Bitmap>> bitmaps_;
  std::deque<std::vector<hotcell_v1_Detail>> details_;
  std::deque<std::vector<hotcell_v1_ReferenceInfo>> references_;
  std::deque<std::vector<hotcell_v1_Signature>> contents_;
  std::vector<hotcell_v1_CheckFinding> findings_;
  std::vector<hotcell_v1_Signature> signatures_;
  std::vector<hotcell_v1_Concern> concerns_;
  hotcell_v1_ImageInfo inspected_ = hotcell_v1_ImageInfo_init_zero;
  hotcell_v1_CheckReport check_ = hotcell_v1_CheckReport_init_zero;
  std::vector<hotcell_v1_ImageInfo> chain_;
};

pb_bytes_array_t* ReportMessage::Bytes(std::string_view text) {
  const size_t size = std::min(text.size(), kMaxCount);
  std::vector<std::byte>& storage = bytes_.emplace_back(PB_BYTES_ARRAY_T_ALLOCSIZE(size));
  auto* const array = reinterpret_cast<pb_bytes_array_t*>(storage.data());
  array->size = static_cast<pb_size_t>(size);
  std::memcpy(array->bytes, text.data(), size);
  return array;
}

void ReportMessage::AddWarning(std::string_view text) {
  if (warnings_.size() == kMaxCount) return;
  warnings_.push_back(Bytes(text));
  message_.warnings = warnings_.data();
  message_.warnings_count = Counted(warnings_);
}

void ReportMessage::NoteCut(std::string_view what, size_t count) {
  if (count <= kMaxCount) return;
  AddWarning(StrCat("only the first ", kMaxCount, " of ", count, " ", what, " are listed"));
}

hotcell_v1_Error ReportMessage::MakeError(const Status& error) {
  return {.code = static_cast<hotcell_v1_ErrorCode>(error.code()),
          .message = Bytes(error.message()),
          .slot = 0,
          .remedy = static_cast<hotcell_v1_Remedy>(error.remedy())};
}

void ReportMessage::SetError(const Status& error) {
  message_.has_error = true;
  message_.error = MakeError(error);
}

void ReportMessage::SetConvert(const ConvertSummary& summary) {
  message_.which_result = hotcell_v1_Report_convert_tag;
  hotcell_v1_ConvertResult& convert = message_.result.convert;
  convert = hotcell_v1_ConvertResult_init_zero;
  convert.virtual_size = summary.virtual_size;
  CopyText(convert.source_format, summary.source_format);
  convert.bytes_read = summary.bytes_read;
  convert.bytes_written = summary.bytes_written;
  convert.zero_bytes = summary.zero_bytes;
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

void ReportMessage::SetMap(const MapSummary& summary) {
  message_.which_result = hotcell_v1_Report_map_tag;
  message_.result.map = {.records = summary.records};
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

void ReportMessage::SetMeasure(const MeasureSummary& summary) {
  message_.which_result = hotcell_v1_Report_measure_tag;
  const Measurement& measurement = summary.measurement;
  message_.result.measure = {.required = measurement.required,
                             .fully_allocated = measurement.fully_allocated,
                             .has_bitmaps = measurement.bitmaps.has_value(),
                             .bitmaps = measurement.bitmaps.value_or(0)};
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

void ReportMessage::SetResize(const ResizeSummary& summary) {
  message_.which_result = hotcell_v1_Report_resize_tag;
  hotcell_v1_ResizeResult& resize = message_.result.resize;
  resize = hotcell_v1_ResizeResult_init_zero;
  resize.outcome = static_cast<hotcell_v1_ResizeResult_Outcome>(summary.outcome);
  CopyText(resize.format, summary.format);
  resize.old_size = summary.old_size;
  resize.new_size = summary.new_size;
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

void ReportMessage::SetRebase(const RebaseSummary& summary) {
  message_.which_result = hotcell_v1_Report_rebase_tag;
  hotcell_v1_RebaseResult& rebase = message_.result.rebase;
  rebase = hotcell_v1_RebaseResult_init_zero;
  rebase.outcome = static_cast<hotcell_v1_RebaseResult_Outcome>(summary.outcome);
  CopyText(rebase.format, summary.format);
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

hotcell_v1_Snapshot ReportMessage::MakeSnapshot(const SnapshotInfo& snapshot) {
  return {.id = Bytes(snapshot.id),
          .name = Bytes(snapshot.name),
          .vm_state_size = snapshot.vm_state_size,
          .date_sec = snapshot.date_sec,
          .date_nsec = snapshot.date_nsec,
          .vm_clock_nsec = snapshot.vm_clock_nsec,
          .has_icount = snapshot.icount.has_value(),
          .icount = snapshot.icount.value_or(0),
          .virtual_size = snapshot.virtual_size};
}

// Refers to the texts, which must outlive the message.
std::vector<char*>& ReportMessage::TextList(const std::vector<std::string>& texts) {
  std::vector<char*>& list = text_lists_.emplace_back();
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  return list;
}

hotcell_v1_Bitmap ReportMessage::MakeBitmap(const BitmapInfo& bitmap) {
  std::vector<char*>& flags = TextList(bitmap.flags);
  return {.name = Bytes(bitmap.name),
          .granularity = bitmap.granularity,
          .flags_count = Counted(flags),
          .flags = flags.data()};
}

hotcell_v1_Detail ReportMessage::MakeDetail(const Detail& detail) {
  hotcell_v1_Detail entry = hotcell_v1_Detail_init_zero;
  entry.depth = detail.depth;
  static_assert(sizeof(entry.key) == kMaxDetailKey + 1);
  CopyText(entry.key, detail.key);
  switch (detail.kind) {
    case Detail::Kind::kBoolean:
      entry.which_value = hotcell_v1_Detail_boolean_tag;
      entry.value.boolean = detail.number != 0;
      break;
    case Detail::Kind::kNumber:
      entry.which_value = hotcell_v1_Detail_number_tag;
      entry.value.number = detail.number;
      break;
    case Detail::Kind::kText:
      entry.which_value = hotcell_v1_Detail_text_tag;
      entry.value.text = Bytes(detail.text);
      break;
    case Detail::Kind::kName:
      entry.which_value = hotcell_v1_Detail_name_tag;
      entry.value.name = Bytes(detail.text);
      break;
    case Detail::Kind::kFile:
      entry.which_value = hotcell_v1_Detail_file_tag;
      entry.value.file = Bytes(detail.text);
      break;
    default:
      entry.which_value = hotcell_v1_Detail_kind_tag;
      entry.value.kind = WireKind(detail.kind);
  }
  return entry;
}

hotcell_v1_ReferenceInfo ReportMessage::MakeReference(const Reference& reference) {
  return {.role = static_cast<hotcell_v1_ReferenceRole>(reference.kind),
          .name = Bytes(reference.name),
          .format = Bytes(reference.format)};
}

void ReportMessage::SetInfo(const std::vector<ImageDescription>& images) {
  message_.which_result = hotcell_v1_Report_info_tag;
  message_.result.info = MakeInfo(images.front());
  if (const uint64_t size = images.front().sector_size; size != 512) {
    AddWarning(SectorSizeWarning(size));
  }
  // Damage that leaves the description true is not told, as by qemu-img; that the file may be no raw
  // disk is.
  if (images.front().format == "raw") {
    for (const std::string& warning : images.front().warnings) AddWarning(warning);
  }
  for (const ImageDescription& image : std::span(images).subspan(1)) {
    chain_.push_back(MakeInfo(image));
  }
  message_.backing_chain_count = Counted(chain_);
  message_.backing_chain = chain_.data();
}

template <typename Part, typename Native>
std::vector<Part>& ReportMessage::MakeEach(std::deque<std::vector<Part>>& lists,
                                           std::string_view what,
                                           const std::vector<Native>& natives,
                                           Part (ReportMessage::*make)(const Native&)) {
  NoteCut(what, natives.size());
  std::vector<Part>& parts = lists.emplace_back();
  parts.reserve(Counted(natives));
  for (const Native& native : std::span(natives).first(Counted(natives))) {
    parts.push_back((this->*make)(native));
  }
  return parts;
}

void ReportMessage::AddLists(const ImageDescription& description, hotcell_v1_ImageInfo& info) {
  auto& snapshots =
      MakeEach(snapshots_, "snapshots", description.snapshots, &ReportMessage::MakeSnapshot);
  info.snapshots_count = Counted(snapshots);
  info.snapshots = snapshots.data();
  if (description.bitmaps) {
    auto& bitmaps = MakeEach(bitmaps_, "bitmaps", *description.bitmaps, &ReportMessage::MakeBitmap);
    info.bitmaps_count = Counted(bitmaps);
    info.bitmaps = bitmaps.data();
  }
  auto& details =
      MakeEach(details_, "details", description.details.all(), &ReportMessage::MakeDetail);
  info.details_count = Counted(details);
  info.details = details.data();
  auto& references =
      MakeEach(references_, "references", description.references, &ReportMessage::MakeReference);
  info.references_count = Counted(references);
  info.references = references.data();
}

hotcell_v1_ImageInfo ReportMessage::MakeInfo(const ImageDescription& description) {
  hotcell_v1_ImageInfo info = hotcell_v1_ImageInfo_init_zero;
  info.slot = description.slot;
  CopyText(info.format, description.format);
  info.virtual_size = description.virtual_size;
  info.cluster_size = description.cluster_size;
  info.dirty = description.dirty;
  info.encrypted = description.encrypted;
  if (description.backing) {
    info.backing_file = Bytes(description.backing->name);
    info.backing_format = Bytes(description.backing->format);
  }

  AddLists(description, info);
  info.corrupt = description.corrupt;
  CopyText(info.encryption, description.encryption);
  CopyText(info.variant, description.variant);
  std::vector<char*>& features = TextList(description.features);
  info.features_count = Counted(features);
  info.features = features.data();
  std::vector<hotcell_v1_Signature>& contents = contents_.emplace_back();
  for (const FileSignature& content : description.contents) {
    contents.push_back(MakeSignature(content));
  }
  info.contents_count = Counted(contents);
  info.contents = contents.data();
  std::vector<char*>& others = TextList(description.other_formats);
  info.other_formats_count = Counted(others);
  info.other_formats = others.data();
  return info;
}

void ReportMessage::SetCompare(const CompareSummary& summary) {
  message_.which_result = hotcell_v1_Report_compare_tag;
  hotcell_v1_CompareResult& compare = message_.result.compare;
  compare = hotcell_v1_CompareResult_init_zero;
  compare.outcome = static_cast<hotcell_v1_CompareResult_Outcome>(summary.outcome);
  compare.offset = summary.offset;
  compare.first_size = summary.first_size;
  compare.second_size = summary.second_size;
  CopyText(compare.first_format, summary.first_format);
  CopyText(compare.second_format, summary.second_format);
  compare.has_failure = !summary.failure.ok();
  if (compare.has_failure) compare.failure = MakeError(summary.failure);
  compare.failed_image = summary.failed_image;
  compare.bytes_read = summary.bytes_read;
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

void ReportMessage::SetDigest(const DigestSummary& summary) {
  message_.which_result = hotcell_v1_Report_digest_tag;
  hotcell_v1_DigestResult& digest = message_.result.digest;
  digest = hotcell_v1_DigestResult_init_zero;
  static_assert(sizeof(digest.sha256) == sizeof(summary.sha256));
  std::memcpy(digest.sha256, summary.sha256.data(), summary.sha256.size());
  digest.virtual_size = summary.virtual_size;
  CopyText(digest.source_format, summary.source_format);
  digest.bytes_read = summary.bytes_read;
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

hotcell_v1_CheckReport ReportMessage::MakeCheck(const CheckResult& result) {
  hotcell_v1_CheckReport check = hotcell_v1_CheckReport_init_zero;
  check.leaks = result.leaks;
  check.corruptions = result.corruptions;
  check.check_errors = result.check_errors;
  for (const CheckFinding& finding : result.findings) {
    // The values follow those of the guest's, after 0 for none.
    const auto kind = static_cast<hotcell_v1_FindingKind>(static_cast<int>(finding.kind) + 1);
    findings_.push_back({.kind = kind, .text = Bytes(finding.text)});
  }
  check.findings_count = Counted(findings_);
  check.findings = findings_.data();
  check.has_image_end_offset = result.image_end_offset.has_value();
  check.image_end_offset = result.image_end_offset.value_or(0);
  check.total_clusters = result.total_clusters;
  check.allocated_clusters = result.allocated_clusters;
  check.compressed_clusters = result.compressed_clusters;
  check.fragmented_clusters = result.fragmented_clusters;
  return check;
}

void ReportMessage::SetCheck(const CheckSummary& summary) {
  message_.which_result = hotcell_v1_Report_check_tag;
  hotcell_v1_CheckReport& check = message_.result.check;
  check = summary.result ? MakeCheck(*summary.result)
                         : hotcell_v1_CheckReport(hotcell_v1_CheckReport_init_zero);
  check.unsupported = !summary.result.has_value();
  CopyText(check.format, summary.format);
  for (const std::string& warning : summary.warnings) AddWarning(warning);
}

void ReportMessage::SetInspection(const Inspection& inspection) {
  message_.which_result = hotcell_v1_Report_inspect_tag;
  hotcell_v1_Inspection& inspect = message_.result.inspect;
  inspect = hotcell_v1_Inspection_init_zero;
  CopyText(inspect.format, inspection.format);
  std::vector<char*>& others = TextList(inspection.other_formats);
  inspect.other_formats_count = Counted(others);
  inspect.other_formats = others.data();
  for (const FileSignature& signature : inspection.signatures) {
    signatures_.push_back(MakeSignature(signature));
  }
  inspect.signatures_count = Counted(signatures_);
  inspect.signatures = signatures_.data();
  for (const Concern& concern : inspection.survey.concerns()) {
    concerns_.push_back({.kind = static_cast<hotcell_v1_ConcernKind>(concern.kind),
                         .text = Bytes(concern.text),
                         .mark = static_cast<hotcell_v1_SignatureKind>(concern.mark.kind),
                         .mark_offset = concern.mark.offset});
  }
  inspect.concerns_count = Counted(concerns_);
  inspect.concerns = concerns_.data();
  inspect.reader_memory = inspection.survey.reader_memory();
  inspect.has_failure = !inspection.failure.ok();
  if (inspect.has_failure) inspect.failure = MakeError(inspection.failure);
  if (inspection.info) {
    for (const std::string& warning : inspection.info->warnings) AddWarning(warning);
    inspected_ = MakeInfo(*inspection.info);
    inspect.info = &inspected_;
  }
  if (inspection.check) {
    check_ = MakeCheck(*inspection.check);
    CopyText(check_.format, inspection.format);
    inspect.check = &check_;
  }
  inspect.has_check_failure = !inspection.check_failure.ok();
  if (inspect.has_check_failure) inspect.check_failure = MakeError(inspection.check_failure);
}

std::optional<size_t> Encode(const ReportMessage& report, std::span<std::byte> area) {
  pb_ostream_t stream =
      pb_ostream_from_buffer(reinterpret_cast<pb_byte_t*>(area.data()), area.size());
  if (!pb_encode(&stream, hotcell_v1_Report_fields, &report.message())) return std::nullopt;
  return stream.bytes_written;
}

}  // namespace

size_t EncodeReport(const JobOutcome& outcome, std::span<std::byte> area) {
  ReportMessage report;
  if (!outcome.error.ok()) {
    report.SetError(outcome.error);
  } else if (outcome.convert) {
    report.SetConvert(*outcome.convert);
  } else if (!outcome.info.empty()) {
    report.SetInfo(outcome.info);
  } else if (outcome.compare) {
    report.SetCompare(*outcome.compare);
  } else if (outcome.digest) {
    report.SetDigest(*outcome.digest);
  } else if (outcome.check) {
    report.SetCheck(*outcome.check);
  } else if (outcome.inspection) {
    report.SetInspection(*outcome.inspection);
  } else if (outcome.map) {
    report.SetMap(*outcome.map);
  } else if (outcome.measure) {
    report.SetMeasure(*outcome.measure);
  } else if (outcome.resize) {
    report.SetResize(*outcome.resize);
  } else if (outcome.rebase) {
    report.SetRebase(*outcome.rebase);
  }
  if (const auto size = Encode(report, area)) return *size;

  ReportMessage too_long;
  too_long.SetError(
      LimitExceeded("the report on this image is longer than the limit `report-bytes` allows",
                    Remedy::kRaiseReportBytes));
  return Encode(too_long, area).value_or(0);
}

}  // namespace hotcell::guest
