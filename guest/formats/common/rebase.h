// What the header of an image that exists is to say of the one it stands on.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_REBASE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_REBASE_H_

#include <string_view>

namespace hotcell::guest {

// Bytes as they go into the header; nothing is opened.
struct BackingNames {
  std::string_view name;    // empty: it stands on none
  std::string_view format;  // empty: it is not said
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_REBASE_H_
