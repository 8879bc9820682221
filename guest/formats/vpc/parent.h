// What a differencing disk says of its parent.
#ifndef HOTCELL_GUEST_FORMATS_VPC_PARENT_H_
#define HOTCELL_GUEST_FORMATS_VPC_PARENT_H_

#include <vector>

#include "guest/formats/common/file_region.h"
#include "guest/formats/common/format.h"
#include "guest/formats/vpc/on_disk.h"

namespace hotcell::guest::vpc {

struct Parent {
  Reference reference;
  std::vector<FileRegion> regions;  // where the locators lie
};

// Names in the order in which they are likely to serve: relative ones first. A Windows path's
// backslashes become slashes where it is relative.
Result<Parent> ReadParent(IoChannel& io, const FileHandle& file, const DynamicHeader& header);

}  // namespace hotcell::guest::vpc

#endif  // HOTCELL_GUEST_FORMATS_VPC_PARENT_H_
