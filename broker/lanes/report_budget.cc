#include "broker/lanes/report_budget.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <span>

#include "absl/strings/str_cat.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "protos/report.pb.h"

namespace hotcell::broker {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// kNone: a message of which there is one. When it comes again it is merged into the first.
enum class Part : uint8_t { kSnapshot, kBitmap, kBitmapFlag, kDetail, kOther, kNone };
constexpr size_t kParts = 5;

struct Field;
using Fields = std::span<const Field>;

// A field that is a part or has some within it.
struct Field {
  int number = 0;
  Fields within = {};
  Part part = Part::kOther;
};

constexpr Field kBitmap[] = {{v1::Bitmap::kFlagsFieldNumber, {}, Part::kBitmapFlag}};
constexpr Field kImageInfo[] = {
    {v1::ImageInfo::kSnapshotsFieldNumber, {}, Part::kSnapshot},
    {v1::ImageInfo::kBitmapsFieldNumber, kBitmap, Part::kBitmap},
    {v1::ImageInfo::kDetailsFieldNumber, {}, Part::kDetail},
    {v1::ImageInfo::kReferencesFieldNumber},
    {v1::ImageInfo::kFeaturesFieldNumber},
    {v1::ImageInfo::kContentsFieldNumber},
    {v1::ImageInfo::kOtherFormatsFieldNumber},
};
constexpr Field kCheckReport[] = {{v1::CheckReport::kFindingsFieldNumber}};
constexpr Field kInspection[] = {
    {v1::Inspection::kOtherFormatsFieldNumber},
    {v1::Inspection::kSignaturesFieldNumber},
    {v1::Inspection::kInfoFieldNumber, kImageInfo, Part::kNone},
    {v1::Inspection::kCheckFieldNumber, kCheckReport, Part::kNone},
    {v1::Inspection::kConcernsFieldNumber},
};
constexpr Field kReport[] = {
    {v1::Report::kInfoFieldNumber, kImageInfo, Part::kNone},
    {v1::Report::kCheckFieldNumber, kCheckReport, Part::kNone},
    {v1::Report::kInspectFieldNumber, kInspection, Part::kNone},
    {v1::Report::kWarningsFieldNumber},
    {v1::Report::kBackingChainFieldNumber, kImageInfo},
};

class Counter {
 public:
  explicit Counter(const ReportBudget& budget)
      : left_{budget.snapshots, budget.bitmaps, budget.bitmap_flags, budget.details,
              budget.others} {}

  bool exceeded() const { return exceeded_; }

  // False: more parts than are left, or no well-formed message. Recurses as deep as the tables.
  bool Count(CodedInputStream& input, Fields fields) {
    while (const uint32_t tag = input.ReadTag()) {
      const Field* const field = Find(tag, fields);
      if (field == nullptr ? !WireFormatLite::SkipField(&input, tag) : !CountField(input, *field)) {
        return false;
      }
    }
    return input.ConsumedEntireMessage();
  }

 private:
  // Protobuf takes a field of another wire type for an unknown one.
  static const Field* Find(uint32_t tag, Fields fields) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      return nullptr;
    }
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    const auto found = std::ranges::find(fields, number, &Field::number);
    return found == fields.end() ? nullptr : &*found;
  }

  bool Take(Part part) {
    if (part == Part::kNone) return true;
    uint64_t& left = left_[static_cast<size_t>(part)];
    exceeded_ = left == 0;
    if (!exceeded_) --left;
    return !exceeded_;
  }

  bool CountField(CodedInputStream& input, const Field& field) {
    if (!Take(field.part)) return false;
    int size = 0;
    if (!input.ReadVarintSizeAsInt(&size)) return false;
    if (field.within.empty()) return input.Skip(size);
    const CodedInputStream::Limit outer = input.PushLimit(size);
    const bool whole = input.BytesUntilLimit() == size && Count(input, field.within);
    input.PopLimit(outer);
    return whole;
  }

  std::array<uint64_t, kParts> left_;
  bool exceeded_ = false;
};

}  // namespace

ReportBudget BudgetFor(uint64_t report_bytes) {
  constexpr uint64_t kMostInQcow2 = 65'536;
  constexpr uint64_t kFlagsOfBitmap = 2;
  constexpr uint64_t kDetails = 32'768;
  constexpr uint64_t kBytesOfDetail = 32;
  constexpr uint64_t kOthers = 8192;
  constexpr uint64_t kBytesOfAnother = 128;
  return {.snapshots = kMostInQcow2,
          .bitmaps = kMostInQcow2,
          .bitmap_flags = kMostInQcow2 * kFlagsOfBitmap,
          .details = std::max(kDetails, report_bytes / kBytesOfDetail),
          .others = std::max(kOthers, report_bytes / kBytesOfAnother)};
}

absl::Status CheckReportParts(absl::string_view bytes, uint64_t report_bytes) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size()));
  Counter counter(BudgetFor(report_bytes));
  if (counter.Count(input, kReport)) return absl::OkStatus();
  if (!counter.exceeded()) return absl::InternalError("no well-formed report");
  const absl::Status error = absl::ResourceExhaustedError(
      absl::StrCat("the report on this image has more parts than the limit `report-bytes` of ",
                   report_bytes, " bytes allows"));
  return WithFailureKind(WithRemedy(error, Remedy::kRaiseReportBytes), FailureKind::kLimit);
}

}  // namespace hotcell::broker
