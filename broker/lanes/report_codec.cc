#include "broker/lanes/report_codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/lanes/report_budget.h"
#include "broker/lanes/report_details.h"
#include "broker/workers/arena.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// Report > Inspection > ImageInfo > Detail, and two to spare.
constexpr int kMaxNesting = 5;
constexpr int kMaxWarnings = 100;

absl::StatusCode CodeOf(v1::ErrorCode code) {
  switch (code) {
    case v1::ERROR_CORRUPT_IMAGE:
      return absl::StatusCode::kDataLoss;
    case v1::ERROR_UNSUPPORTED:
      return absl::StatusCode::kUnimplemented;
    case v1::ERROR_INVALID_ARGUMENT:
      return absl::StatusCode::kInvalidArgument;
    case v1::ERROR_LIMIT:
    case v1::ERROR_OUT_OF_MEMORY:
      return absl::StatusCode::kResourceExhausted;
    case v1::ERROR_IO:
      return absl::StatusCode::kUnavailable;
    case v1::ERROR_REFERENCE_REFUSED:
      return absl::StatusCode::kPermissionDenied;
    case v1::ERROR_NOT_FOUND:
      return absl::StatusCode::kNotFound;
    default:
      return absl::StatusCode::kInternal;
  }
}

FailureKind KindOf(v1::ErrorCode code) {
  switch (code) {
    case v1::ERROR_CORRUPT_IMAGE:
    case v1::ERROR_UNSUPPORTED:
      return FailureKind::kImage;
    case v1::ERROR_INVALID_ARGUMENT:
    case v1::ERROR_NOT_FOUND:
      return FailureKind::kRequest;
    case v1::ERROR_LIMIT:
    case v1::ERROR_OUT_OF_MEMORY:
      return FailureKind::kLimit;
    case v1::ERROR_IO:
      return FailureKind::kHost;
    case v1::ERROR_REFERENCE_REFUSED:
      return FailureKind::kReference;
    default:
      return FailureKind::kGuestContract;
  }
}

// The guest may send any number.
Remedy RemedyOf(const v1::Error& error) {
  switch (error.remedy()) {
    case v1::REMEDY_RAISE_VIRTUAL_SIZE:
      return Remedy::kRaiseVirtualSize;
    case v1::REMEDY_RAISE_CHAIN_DEPTH:
      return Remedy::kRaiseChainDepth;
    case v1::REMEDY_RAISE_REPORT_BYTES:
      return Remedy::kRaiseReportBytes;
    case v1::REMEDY_REMOVE_BITMAPS:
      return Remedy::kRemoveBitmaps;
    case v1::REMEDY_SEE_USAGE:
      return Remedy::kSeeUsage;
    case v1::REMEDY_MAKE_ANEW:
      return Remedy::kMakeAnew;
    default:
      return Remedy::kNone;
  }
}

// Whether a failed request is what the guest complains of.
bool IsAboutFiles(v1::ErrorCode code) {
  return code == v1::ERROR_IO || code == v1::ERROR_LIMIT || code == v1::ERROR_REFERENCE_REFUSED ||
         code == v1::ERROR_NOT_FOUND;
}

void Clean(std::string* text) { *text = Escape(*text); }

void MakeTextsPrintable(v1::ImageInfo& info) {
  Clean(info.mutable_format());
  Clean(info.mutable_backing_format());
  Clean(info.mutable_encryption());
  Clean(info.mutable_variant());
  for (std::string& feature : *info.mutable_features()) Clean(&feature);
  for (std::string& format : *info.mutable_other_formats()) Clean(&format);
  for (v1::ReferenceInfo& reference : *info.mutable_references()) {
    Clean(reference.mutable_format());
  }
  for (v1::Bitmap& bitmap : *info.mutable_bitmaps()) {
    for (std::string& flag : *bitmap.mutable_flags()) Clean(&flag);
  }
  MakeDetailsPrintable(*info.mutable_details());
}

void MakeTextsPrintable(v1::Inspection& inspection) {
  Clean(inspection.mutable_format());
  for (std::string& format : *inspection.mutable_other_formats()) Clean(&format);
  if (inspection.has_info()) MakeTextsPrintable(*inspection.mutable_info());
  if (inspection.has_check()) Clean(inspection.mutable_check()->mutable_format());
}

bool HasSoundDetails(const v1::Report& report) {
  const auto is_sound = [](const v1::ImageInfo& info) { return AreDetails(info.details()); };
  return is_sound(report.info()) && is_sound(report.inspect().info()) &&
         std::ranges::all_of(report.backing_chain(), is_sound);
}

absl::Status NotWellFormed() {
  return WithFailureKind(absl::InternalError("the guest left no well-formed report"),
                         FailureKind::kGuestContract);
}

// A `string` is UTF-8, which protobuf has checked, and may hold control characters.
void MakeTextsPrintable(v1::Report& report) {
  if (report.has_convert()) Clean(report.mutable_convert()->mutable_source_format());
  if (report.has_compare()) {
    Clean(report.mutable_compare()->mutable_first_format());
    Clean(report.mutable_compare()->mutable_second_format());
  }
  if (report.has_digest()) Clean(report.mutable_digest()->mutable_source_format());
  if (report.has_check()) Clean(report.mutable_check()->mutable_format());
  if (report.has_resize()) Clean(report.mutable_resize()->mutable_format());
  if (report.has_rebase()) Clean(report.mutable_rebase()->mutable_format());
  if (report.has_inspect()) MakeTextsPrintable(*report.mutable_inspect());
  if (report.has_info()) MakeTextsPrintable(*report.mutable_info());
  for (v1::ImageInfo& image : *report.mutable_backing_chain()) MakeTextsPrintable(image);
}

}  // namespace

absl::StatusOr<std::string> EncodeJob(const v1::Job& job) {
  std::string bytes;
  if (!job.SerializeToString(&bytes) || bytes.size() > kJobCapacity) {
    return absl::InvalidArgumentError(absl::StrCat("the job's description has ", bytes.size(),
                                                   " bytes; at most ", kJobCapacity,
                                                   " are possible"));
  }
  return bytes;
}

absl::StatusOr<v1::Report> DecodeReport(absl::string_view bytes, uint64_t report_bytes) {
  if (absl::Status parts = CheckReportParts(bytes, report_bytes); !parts.ok()) {
    return absl::IsResourceExhausted(parts) ? parts : NotWellFormed();
  }
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kMaxNesting);
  v1::Report report;
  // A string that is not UTF-8 makes protobuf write a line to standard error by itself.
  const google::protobuf::LogSilencer silencer;
  if (!report.ParseFromCodedStream(&input) || !input.ConsumedEntireMessage() ||
      !HasSoundDetails(report)) {
    return NotWellFormed();
  }
  // There is room for an error however small the limit.
  if (bytes.size() > report_bytes && !report.has_error()) {
    const absl::Status error = absl::ResourceExhaustedError(
        absl::StrCat("the report on this image has ", bytes.size(),
                     " bytes, more than the limit `report-bytes` of ", report_bytes));
    return WithFailureKind(WithRemedy(error, Remedy::kRaiseReportBytes), FailureKind::kLimit);
  }
  MakeTextsPrintable(report);
  return report;
}

absl::Status ReportedError(const v1::Error& error, const absl::Status& recorded) {
  const FailureKind kind = KindOf(error.code());
  if (!recorded.ok() && IsAboutFiles(error.code())) return WithFailureKind(recorded, kind);
  const std::string text = Escape(error.message(), kMaxShownMessage);
  const absl::Status status(CodeOf(error.code()),
                            text.empty() ? "the guest gives no reason" : text);
  return WithFailureKind(WithRemedy(status, RemedyOf(error)), kind);
}

std::vector<std::string> ReportedWarnings(const v1::Report& report) {
  std::vector<std::string> warnings;
  for (const std::string& warning : report.warnings()) {
    if (warnings.size() == kMaxWarnings) {
      warnings.push_back(absl::StrCat("and ", report.warnings_size() - kMaxWarnings, " more"));
      break;
    }
    warnings.push_back(Escape(warning, kMaxShownMessage));
  }
  return warnings;
}

}  // namespace hotcell::broker
