// GUIDs of a VHDX as text. Microsoft stores their first three fields in little-endian order.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_GUID_H_
#define HOTCELL_GUEST_FORMATS_VHDX_GUID_H_

#include <string>

#include "guest/formats/vhdx/on_disk.h"

namespace hotcell::guest::vhdx {

// "01234567-89ab-cdef-0123-456789abcdef".
std::string FormatGuid(const Guid& guid);

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_GUID_H_
