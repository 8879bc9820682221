// For readers that look up one cluster at a time: pieces that continue each other, on the disk and
// in the file, become one extent and so one request.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_EXTENT_BUILDER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_EXTENT_BUILDER_H_

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Joins pieces of the virtual disk into one extent.
class ExtentBuilder {
 public:
  bool empty() const { return extent_.length == 0; }
  const Extent& extent() const { return extent_; }

  // False: `next` does not continue what is there.
  bool Add(const Extent& next) {
    if (empty()) {
      extent_ = next;
      return true;
    }
    if (next.kind != extent_.kind || next.kind == Extent::Kind::kCompressed) return false;
    if (next.reserved != extent_.reserved) return false;
    if ((next.kind == Extent::Kind::kData || next.reserved) &&
        (next.slot != extent_.slot || next.offset != extent_.offset + extent_.length)) {
      return false;
    }
    extent_.length += next.length;
    return true;
  }

 private:
  Extent extent_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_EXTENT_BUILDER_H_
