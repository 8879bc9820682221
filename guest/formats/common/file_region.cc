#include "guest/formats/common/file_region.h"

#include <algorithm>

#include "base/text.h"

namespace hotcell::guest {

const FileRegion* FindOverlap(std::span<const FileRegion> regions, uint64_t offset, uint64_t size) {
  const auto found = std::find_if(regions.begin(), regions.end(), [=](const FileRegion& region) {
    return region.Overlaps(offset, size);
  });
  return found == regions.end() ? nullptr : &*found;
}

Status CheckRegions(std::string_view format, std::span<const FileRegion> regions,
                    uint64_t file_size) {
  for (size_t i = 0; i < regions.size(); ++i) {
    const FileRegion& region = regions[i];
    const std::string where =
        StrCat(format, ": ", region.what, " at ", Hex(region.offset), " (", region.size, " bytes)");
    if (!InFile(region.offset, region.size, file_size)) {
      return CorruptImage(StrCat(where, " reaches past the end of the file (", file_size,
                                 " bytes); the file is truncated or damaged"));
    }
    const FileRegion* const other = FindOverlap(regions.first(i), region.offset, region.size);
    if (other == nullptr) continue;
    return CorruptImage(StrCat(where, " overlaps ", other->what, " at ", Hex(other->offset), " (",
                               other->size, " bytes)"));
  }
  return OkStatus();
}

}  // namespace hotcell::guest
