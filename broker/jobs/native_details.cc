#include "broker/jobs/native_details.h"

#include <algorithm>
#include <utility>

namespace hotcell {

const Detail* FindDetail(const ImageInfo& info, std::string_view key) {
  const auto found = std::ranges::find(info.details, key, &Detail::key);
  return found == info.details.end() ? nullptr : &*found;
}

}  // namespace hotcell

namespace hotcell::broker {
namespace {

using Value = decltype(Detail::value);

Value ValueOf(v1::Detail::Kind kind) {
  switch (kind) {
    case v1::Detail::KIND_LIST:
      return Detail::List();
    case v1::Detail::KIND_DICTIONARY:
      return Detail::Dictionary();
    case v1::Detail::KIND_OWN_FILE:
      return Detail::File();
    case v1::Detail::KIND_BITMAPS:
      return Detail::Bitmaps();
    default:
      return std::string();
  }
}

Value TakeValue(v1::Detail& detail) {
  switch (detail.value_case()) {
    case v1::Detail::kBoolean:
      return detail.boolean();
    case v1::Detail::kNumber:
      return uint64_t{detail.number()};
    case v1::Detail::kText:
      return std::move(*detail.mutable_text());
    case v1::Detail::kName:
      return Detail::Name{std::move(*detail.mutable_name())};
    case v1::Detail::kFile:
      return Detail::File{std::move(*detail.mutable_file())};
    case v1::Detail::kKind:
      return ValueOf(detail.kind());
    default:
      return std::string();
  }
}

}  // namespace

std::vector<Detail> TakeDetails(google::protobuf::RepeatedPtrField<v1::Detail>& details) {
  std::vector<Detail> taken;
  // Where the next goes, by its depth. None of the lists that these point to but the last is added
  // to while they are pointed to.
  std::vector<std::vector<Detail>*> places = {&taken};
  for (v1::Detail& detail : details) {
    places.resize(std::min<size_t>(places.size(), size_t{detail.depth()} + 1));
    std::vector<Detail>& place = *places.back();
    place.push_back({.key = std::move(*detail.mutable_key()), .value = TakeValue(detail)});
    places.push_back(&place.back().children);
  }
  google::protobuf::RepeatedPtrField<v1::Detail>().Swap(&details);
  return taken;
}

}  // namespace hotcell::broker
