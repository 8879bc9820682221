#include "broker/files/written_ranges.h"

#include <algorithm>
#include <iterator>

namespace hotcell::broker {

void WrittenRanges::Add(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin() && std::prev(next)->second >= begin) {
    --next;
    begin = next->first;
  }
  while (next != ranges_.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace_hint(next, begin, end);
}

std::optional<WrittenRanges::Range> WrittenRanges::FirstGap(uint64_t end) const {
  Range gap = {.begin = 0, .end = end};
  if (auto first = ranges_.begin(); first != ranges_.end()) {
    if (first->first == 0) {
      gap.begin = first->second;
      ++first;
    }
    if (first != ranges_.end()) gap.end = std::min(end, first->first);
  }
  if (gap.begin >= gap.end) return std::nullopt;
  return gap;
}

}  // namespace hotcell::broker
