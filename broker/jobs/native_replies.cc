#include "broker/jobs/native_replies.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/jobs/native_details.h"
#include "broker/lanes/report_budget.h"

namespace hotcell::broker {
namespace {

using google::protobuf::RepeatedPtrField;

// The numbers are the same, and those that the message does not know are unknown here as well.
template <typename Native, typename Wire>
Native Known(Wire value, bool is_valid) {
  return is_valid ? static_cast<Native>(value) : Native::kUnknown;
}

static_assert(static_cast<int>(ReferenceRole::kParent) == v1::REFERENCE_ROLE_PARENT &&
              v1::ReferenceRole_MAX == v1::REFERENCE_ROLE_PARENT);
static_assert(static_cast<int>(FindingKind::kLeak) == v1::FINDING_KIND_LEAK &&
              static_cast<int>(FindingKind::kCorruption) == v1::FINDING_KIND_CORRUPTION &&
              static_cast<int>(FindingKind::kCheckError) == v1::FINDING_KIND_CHECK_ERROR &&
              v1::FindingKind_MAX == v1::FINDING_KIND_CHECK_ERROR);
static_assert(static_cast<int>(ConcernKind::kReadersDiffer) == v1::CONCERN_KIND_READERS_DIFFER &&
              static_cast<int>(ConcernKind::kHiddenReference) ==
                  v1::CONCERN_KIND_HIDDEN_REFERENCE &&
              static_cast<int>(ConcernKind::kNotUnderstood) == v1::CONCERN_KIND_NOT_UNDERSTOOD &&
              static_cast<int>(ConcernKind::kNestedImage) == v1::CONCERN_KIND_NESTED_IMAGE &&
              static_cast<int>(ConcernKind::kOddity) == v1::CONCERN_KIND_ODDITY &&
              static_cast<int>(ConcernKind::kOtherDisk) == v1::CONCERN_KIND_OTHER_DISK &&
              v1::ConcernKind_MAX == v1::CONCERN_KIND_OTHER_DISK);
using Compared = CompareResult::Outcome;
static_assert(
    static_cast<int>(Compared::kIdentical) == v1::CompareResult::OUTCOME_IDENTICAL &&
    static_cast<int>(Compared::kContentMismatch) == v1::CompareResult::OUTCOME_CONTENT_MISMATCH &&
    static_cast<int>(Compared::kStatusMismatch) == v1::CompareResult::OUTCOME_STATUS_MISMATCH &&
    static_cast<int>(Compared::kSizeMismatch) == v1::CompareResult::OUTCOME_SIZE_MISMATCH &&
    static_cast<int>(Compared::kMapFailed) == v1::CompareResult::OUTCOME_MAP_FAILED &&
    static_cast<int>(Compared::kReadFailed) == v1::CompareResult::OUTCOME_READ_FAILED &&
    v1::CompareResult::Outcome_MAX == v1::CompareResult::OUTCOME_READ_FAILED);
using Resized = ResizeResult::Outcome;
static_assert(static_cast<int>(Resized::kResized) == v1::ResizeResult::OUTCOME_RESIZED &&
              static_cast<int>(Resized::kNotPositive) == v1::ResizeResult::OUTCOME_NOT_POSITIVE &&
              static_cast<int>(Resized::kNotGrowing) == v1::ResizeResult::OUTCOME_NOT_GROWING &&
              static_cast<int>(Resized::kShrinking) == v1::ResizeResult::OUTCOME_SHRINKING &&
              static_cast<int>(Resized::kUnsupported) == v1::ResizeResult::OUTCOME_UNSUPPORTED &&
              v1::ResizeResult::Outcome_MAX == v1::ResizeResult::OUTCOME_UNSUPPORTED);
using Rebased = RebaseResult::Outcome;
static_assert(static_cast<int>(Rebased::kRebased) == v1::RebaseResult::OUTCOME_REBASED &&
              static_cast<int>(Rebased::kUnsupported) == v1::RebaseResult::OUTCOME_UNSUPPORTED &&
              static_cast<int>(Rebased::kNoRoom) == v1::RebaseResult::OUTCOME_NO_ROOM &&
              v1::RebaseResult::Outcome_MAX == v1::RebaseResult::OUTCOME_NO_ROOM);

// Whether a part of each of these types takes no more memory than the budget counts for it. Images
// are not among them: there are no more than a chain may have, which is counted by itself.
template <typename... Part>
constexpr bool FitBudget() {
  return ((sizeof(Part) <= kMostOfPart) && ...);
}
static_assert(FitBudget<Snapshot, Bitmap, Detail, ReferenceInfo, CheckFinding, Signature, Concern,
                        std::string>());

std::string Take(std::string* text) { return std::move(*text); }

std::vector<std::string> TakeTexts(RepeatedPtrField<std::string>& texts) {
  std::vector<std::string> taken;
  taken.reserve(static_cast<size_t>(texts.size()));
  for (std::string& text : texts) taken.push_back(std::move(text));
  RepeatedPtrField<std::string>().Swap(&texts);
  return taken;
}

// What `take` makes of each. Those of the message are freed one after the other.
template <typename Wire, typename Native>
std::vector<Native> TakeEach(RepeatedPtrField<Wire>& parts, Native (*take)(Wire&)) {
  std::vector<Native> taken;
  taken.reserve(static_cast<size_t>(parts.size()));
  while (!parts.empty()) {
    const std::unique_ptr<Wire> part(parts.ReleaseLast());
    taken.push_back(take(*part));
  }
  std::ranges::reverse(taken);
  RepeatedPtrField<Wire>().Swap(&parts);
  return taken;
}

Snapshot TakeSnapshot(v1::Snapshot& snapshot) {
  Snapshot native{.id = Take(snapshot.mutable_id()),
                  .name = Take(snapshot.mutable_name()),
                  .vm_state_size = snapshot.vm_state_size(),
                  .date_sec = snapshot.date_sec(),
                  .date_nsec = snapshot.date_nsec(),
                  .vm_clock_nsec = snapshot.vm_clock_nsec(),
                  .icount = {},
                  .virtual_size = snapshot.virtual_size()};
  if (snapshot.has_icount()) native.icount = snapshot.icount();
  return native;
}

Bitmap TakeBitmap(v1::Bitmap& bitmap) {
  return {.name = Take(bitmap.mutable_name()),
          .granularity = bitmap.granularity(),
          .flags = TakeTexts(*bitmap.mutable_flags())};
}

ReferenceInfo TakeReference(v1::ReferenceInfo& reference) {
  return {
      .role = Known<ReferenceRole>(reference.role(), v1::ReferenceRole_IsValid(reference.role())),
      .name = Take(reference.mutable_name()),
      .format = Take(reference.mutable_format())};
}

CheckFinding TakeFinding(v1::CheckFinding& finding) {
  return {.kind = Known<FindingKind>(finding.kind(), v1::FindingKind_IsValid(finding.kind())),
          .text = Take(finding.mutable_text())};
}

// The numbers are the same (signature_kinds.cc).
SignatureKind KindOf(v1::SignatureKind kind) {
  return Known<SignatureKind>(kind, v1::SignatureKind_IsValid(kind));
}

Signature TakeSignature(v1::Signature& signature) {
  return {.offset = signature.offset(), .kind = KindOf(signature.kind())};
}

Concern TakeConcern(v1::Concern& concern) {
  return {.kind = Known<ConcernKind>(concern.kind(), v1::ConcernKind_IsValid(concern.kind())),
          .text = Take(concern.mutable_text()),
          .mark = {.offset = concern.mark_offset(), .kind = KindOf(concern.mark())}};
}

}  // namespace

ConvertResult TakeNative(v1::ConvertResult& result) {
  return {.virtual_size = result.virtual_size(),
          .source_format = Take(result.mutable_source_format()),
          .bytes_read = result.bytes_read(),
          .bytes_written = result.bytes_written(),
          .zero_bytes = result.zero_bytes()};
}

CompareResult TakeNative(v1::CompareResult& result) {
  return {.outcome = Known<Compared>(result.outcome(),
                                     v1::CompareResult::Outcome_IsValid(result.outcome())),
          .offset = result.offset(),
          .first_size = result.first_size(),
          .second_size = result.second_size(),
          .first_format = Take(result.mutable_first_format()),
          .second_format = Take(result.mutable_second_format()),
          .failed_image = result.failed_image(),
          .bytes_read = result.bytes_read()};
}

DigestResult TakeNative(v1::DigestResult& result) {
  return {.sha256 = Take(result.mutable_sha256()),
          .virtual_size = result.virtual_size(),
          .source_format = Take(result.mutable_source_format()),
          .bytes_read = result.bytes_read()};
}

MeasureResult TakeNative(v1::MeasureResult& result) {
  MeasureResult native{
      .required = result.required(), .fully_allocated = result.fully_allocated(), .bitmaps = {}};
  if (result.has_bitmaps()) native.bitmaps = result.bitmaps();
  return native;
}

ResizeResult TakeNative(v1::ResizeResult& result) {
  return {.outcome =
              Known<Resized>(result.outcome(), v1::ResizeResult::Outcome_IsValid(result.outcome())),
          .format = Take(result.mutable_format()),
          .old_size = result.old_size(),
          .new_size = result.new_size()};
}

RebaseResult TakeNative(v1::RebaseResult& result) {
  return {.outcome =
              Known<Rebased>(result.outcome(), v1::RebaseResult::Outcome_IsValid(result.outcome())),
          .format = Take(result.mutable_format())};
}

ImageInfo TakeNative(v1::ImageInfo& info) {
  return {.format = Take(info.mutable_format()),
          .virtual_size = info.virtual_size(),
          .cluster_size = info.cluster_size(),
          .dirty = info.dirty(),
          .encrypted = info.encrypted(),
          .backing_file = Take(info.mutable_backing_file()),
          .backing_format = Take(info.mutable_backing_format()),
          .snapshots = TakeEach(*info.mutable_snapshots(), TakeSnapshot),
          .bitmaps = TakeEach(*info.mutable_bitmaps(), TakeBitmap),
          .details = TakeDetails(*info.mutable_details()),
          .corrupt = info.corrupt(),
          .encryption = Take(info.mutable_encryption()),
          .references = TakeEach(*info.mutable_references(), TakeReference),
          .variant = Take(info.mutable_variant()),
          .features = TakeTexts(*info.mutable_features()),
          .contents = TakeEach(*info.mutable_contents(), TakeSignature),
          .other_formats = TakeTexts(*info.mutable_other_formats())};
}

CheckReport TakeNative(v1::CheckReport& report) {
  CheckReport native{.format = Take(report.mutable_format()),
                     .unsupported = report.unsupported(),
                     .leaks = report.leaks(),
                     .corruptions = report.corruptions(),
                     .check_errors = report.check_errors(),
                     .findings = TakeEach(*report.mutable_findings(), TakeFinding),
                     .image_end_offset = {},
                     .total_clusters = report.total_clusters(),
                     .allocated_clusters = report.allocated_clusters(),
                     .compressed_clusters = report.compressed_clusters(),
                     .fragmented_clusters = report.fragmented_clusters()};
  if (report.has_image_end_offset()) native.image_end_offset = report.image_end_offset();
  return native;
}

Inspection TakeNative(v1::Inspection& inspection) {
  Inspection native{.format = Take(inspection.mutable_format()),
                    .other_formats = TakeTexts(*inspection.mutable_other_formats()),
                    .signatures = TakeEach(*inspection.mutable_signatures(), TakeSignature),
                    .info = {},
                    .check = {},
                    .concerns = TakeEach(*inspection.mutable_concerns(), TakeConcern),
                    .reader_memory = inspection.reader_memory()};
  if (inspection.has_info()) native.info = TakeNative(*inspection.mutable_info());
  if (inspection.has_check()) native.check = TakeNative(*inspection.mutable_check());
  return native;
}

}  // namespace hotcell::broker
