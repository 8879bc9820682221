#include "broker/lanes/report_details.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/detail_key.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// Takes the details one after the other.
class Checker {
 public:
  // False: this one cannot follow those before it.
  bool Take(const v1::Detail& detail) {
    if (detail.depth() >= open_.size()) return false;
    open_.resize(size_t{detail.depth()} + 1);
    return TakeKey(detail.key()) && TakeValue(detail);
  }

 private:
  // What a list or dictionary has so far.
  struct Container {
    bool is_list = false;
    std::vector<std::string_view> keys = {};
  };

  bool TakeKey(std::string_view key) {
    Container& in = open_.back();
    if (in.is_list) return key.empty();
    if (!IsDetailKey(key) || in.keys.size() == kMaxDetailKeys) return false;
    if (std::ranges::find(in.keys, key) != in.keys.end()) return false;
    in.keys.push_back(key);
    return true;
  }

  bool TakeValue(const v1::Detail& detail) {
    if (detail.value_case() == v1::Detail::VALUE_NOT_SET) return false;
    if (detail.value_case() != v1::Detail::kKind) return true;
    switch (detail.kind()) {
      case v1::Detail::KIND_LIST:
      case v1::Detail::KIND_DICTIONARY:
        open_.push_back({.is_list = detail.kind() == v1::Detail::KIND_LIST});
        return open_.size() <= kMaxDetailDepth;
      case v1::Detail::KIND_OWN_FILE:
        return true;
      case v1::Detail::KIND_BITMAPS:
        // They are printed there, and may be many.
        return !std::exchange(has_bitmaps_, true);
      default:
        return false;
    }
  }

  // Those in which the next may lie; the first is the whole.
  std::vector<Container> open_ = std::vector<Container>(1);
  bool has_bitmaps_ = false;
};

}  // namespace

bool AreDetails(const google::protobuf::RepeatedPtrField<v1::Detail>& details) {
  Checker checker;
  return std::ranges::all_of(details,
                             [&](const v1::Detail& detail) { return checker.Take(detail); });
}

void MakeDetailsPrintable(google::protobuf::RepeatedPtrField<v1::Detail>& details) {
  for (v1::Detail& detail : details) {
    if (detail.has_text()) detail.set_text(Escape(detail.text()));
  }
}

}  // namespace hotcell::broker
