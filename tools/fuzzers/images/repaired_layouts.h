// The layouts of formats with checksums.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_REPAIRED_LAYOUTS_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_REPAIRED_LAYOUTS_H_

#include "tools/fuzzers/images/layout.h"

namespace hotcell::fuzz {

extern constinit const Layout kVpcLayout;
extern constinit const Layout kVhdxLayout;

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_REPAIRED_LAYOUTS_H_
