// Which images may be changed in place.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_EDITABLE_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_EDITABLE_H_

#include "guest/formats/qcow2/header.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// An image that is marked as damaged, whose refcounts need not be right, that is encrypted or has
// its data elsewhere is refused by name.
Status CheckEditable(const ImageHeader& header);

// Clears, before the first change, the bits that say that something which is not understood goes
// with the image as it is ("Autoclear feature bits").
Status ClearUnknownAutoclear(IoChannel& io, const FileHandle& file, const ImageHeader& header);

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_EDITABLE_H_
