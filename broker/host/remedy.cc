#include "hotcell/remedy.h"

#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace hotcell {
namespace {

constexpr absl::string_view kUrl = "hotcell/remedy-note";

}  // namespace

std::optional<RemedyNote> RemedyOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kUrl);
  if (!payload.has_value()) return std::nullopt;
  // "REMEDY PLACE REPLACED SUBJECT": the subject may hold any bytes.
  const std::string text(*payload);
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 3));
  int remedy = 0;
  RemedyNote note;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &remedy) ||
      !absl::SimpleAtoi(parts[1], &note.place) || !absl::SimpleAtoi(parts[2], &note.replaced) ||
      remedy <= 0 || remedy > static_cast<int>(kLastRemedy)) {
    return std::nullopt;
  }
  note.remedy = static_cast<Remedy>(remedy);
  note.subject = parts[3];
  return note;
}

absl::Status WithRemedy(absl::Status status, Remedy remedy) {
  const size_t end = status.message().size();
  return WithRemedy(std::move(status), {.remedy = remedy, .subject = {}, .place = end});
}

absl::Status WithRemedy(absl::Status status, const RemedyNote& note) {
  if (note.remedy == Remedy::kNone) return status;
  status.SetPayload(kUrl, absl::Cord(absl::StrCat(static_cast<int>(note.remedy), " ", note.place,
                                                  " ", note.replaced, " ", note.subject)));
  return status;
}

}  // namespace hotcell
