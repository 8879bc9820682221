#include "tools/hotcell/report/compare_report.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "hotcell/failure.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

std::string_view OutcomeName(const CompareResult& result) {
  switch (result.outcome) {
    case CompareResult::Outcome::kIdentical:
      return "identical";
    case CompareResult::Outcome::kContentMismatch:
      return "content-mismatch";
    case CompareResult::Outcome::kStatusMismatch:
      return "status-mismatch";
    case CompareResult::Outcome::kSizeMismatch:
      return "size-mismatch";
    default:
      return "failed";
  }
}

Json ImageJson(const SourceImage& source, const std::string& format, uint64_t size) {
  Json image = Json::Object();
  image.SetString("filename", source.name)
      .SetString("format", format)
      .SetNumber("virtual-size", size);
  return image;
}

}  // namespace

std::string CompareText(const CompareResult& result) {
  if (result.outcome == CompareResult::Outcome::kSizeMismatch) {
    return "Strict mode: Image size mismatch!\n";
  }
  if (result.outcome == CompareResult::Outcome::kStatusMismatch) {
    return Cat("Strict mode: Offset ", result.offset, " block status mismatch!\n");
  }
  std::string out;
  const bool identical = result.outcome == CompareResult::Outcome::kIdentical;
  // qemu-img comes to the sizes after what both disks have, and so does this.
  const bool past_shorter =
      identical || result.offset >= std::min(result.first_size, result.second_size);
  if (result.first_size != result.second_size && past_shorter) {
    out += "Warning: Image size mismatch!\n";
  }
  return identical ? out + "Images are identical.\n"
                   : Cat(out, "Content mismatch at offset ", result.offset, "!\n");
}

std::string CompareJson(const CompareRequest& request, const CompareReply& reply) {
  const CompareResult& result = reply.result;
  const bool identical = result.outcome == CompareResult::Outcome::kIdentical;
  Json compare = Json::Object();
  compare.SetBool("identical", identical).SetString("outcome", OutcomeName(result));
  if (!identical && result.outcome != CompareResult::Outcome::kSizeMismatch) {
    compare.SetNumber("offset", result.offset);
  }
  Json warnings = Json::Array();
  for (const std::string& warning : reply.warnings) warnings.AppendString(warning);
  compare.Set("first", ImageJson(request.first, result.first_format, result.first_size))
      .Set("second", ImageJson(request.second, result.second_format, result.second_size))
      .Set("warnings", std::move(warnings));
  Json document = Json::Object();
  document.Set("compare", std::move(compare));
  return document.Dump();
}

absl::Status CompareFailure(const CompareRequest& request, const CompareReply& reply) {
  const SourceImage& image = reply.result.failed_image == 2 ? request.second : request.first;
  return Reworded(reply.failure, Cat("'", Escape(image.name), "', from disk offset ",
                                     reply.result.offset, " on: ", View(reply.failure.message())));
}

int CompareExitStatus(const CompareResult& result) {
  switch (result.outcome) {
    case CompareResult::Outcome::kIdentical:
      return kExitOk;
    case CompareResult::Outcome::kMapFailed:
      return kExitCompareMapFailed;
    case CompareResult::Outcome::kReadFailed:
      return kExitCompareReadFailed;
    case CompareResult::Outcome::kContentMismatch:
    case CompareResult::Outcome::kStatusMismatch:
    case CompareResult::Outcome::kSizeMismatch:
      return kExitDifferent;
    default:  // a guest that says nothing sensible
      return kExitCompareFailed;
  }
}

}  // namespace hotcell::cli
