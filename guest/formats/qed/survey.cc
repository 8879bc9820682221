#include "guest/formats/common/survey.h"

#include <algorithm>

#include "base/text.h"
#include "guest/formats/qed/header.h"
#include "guest/formats/qed/on_disk.h"
#include "guest/formats/qed/qed.h"

namespace hotcell::guest {
namespace qed {
namespace {

// L2 tables that QEMU keeps.
constexpr uint64_t kCachedTables = 50;

void SurveyFeatures(const Header& raw, const ImageHeader& header, Survey& survey) {
  if (raw.compat_features != 0 || raw.autoclear_features != 0) {
    survey.Add(ConcernKind::kOddity,
               StrCat("the header has feature bits without a known meaning: compatible ",
                      Hex(raw.compat_features), ", autoclear ", Hex(raw.autoclear_features)));
  }
  if ((header.features & kFeatureBackingFile) != 0 && !header.backing) {
    survey.Add(ConcernKind::kHiddenReference, "it has a backing file, which it does not name");
  }
  if ((header.features & kFeatureBackingFile) == 0 &&
      ((header.features & kFeatureBackingFormatNoProbe) != 0 || raw.backing_filename_size != 0)) {
    survey.Add(ConcernKind::kOddity, "it says of what kind its backing file is, but has none");
  }
}

}  // namespace
}  // namespace qed

Status SurveyQed(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto header = qed::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  qed::Header raw;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&raw, 1)), "qed: the header"));
  qed::SurveyFeatures(raw, *header, survey);

  const TwoLevelLayout& layout = header->layout;
  survey.AddReaderMemory((1 + std::min(qed::kCachedTables, layout.l1_entries())) * layout.l1_size);
  const FileRegion regions[] = {
      layout.header, {.offset = layout.l1_offset, .size = layout.l1_size, .what = "the L1 table"}};
  if (const Status places = CheckRegions("qed", regions, file.size); !places.ok()) {
    survey.Add(ConcernKind::kNotUnderstood, places.message());
  }
  return OkStatus();
}

}  // namespace hotcell::guest
