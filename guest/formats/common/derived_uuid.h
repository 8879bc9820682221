// UUIDs for formats whose images carry one.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_DERIVED_UUID_H_
#define HOTCELL_GUEST_FORMATS_COMMON_DERIVED_UUID_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A UUID of version 8 (RFC 9562), in the order of its text. The guest has no entropy, so it follows
// from `purpose` and from what is to be created: targets of another name, size or options have
// another one, and the same conversion gives the same file again.
std::array<std::byte, 16> DeriveUuid(std::string_view purpose, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_DERIVED_UUID_H_
