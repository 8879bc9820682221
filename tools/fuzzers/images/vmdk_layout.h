// Where the formats of VMDK keep their integers, for the mutator.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_VMDK_LAYOUT_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_VMDK_LAYOUT_H_

#include "tools/fuzzers/images/layout.h"

namespace hotcell::fuzz {

// The layout of hosted sparse extents, COWD and seSparse at once: descriptors are text.
extern constinit const Layout kVmdkLayout;

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_VMDK_LAYOUT_H_
