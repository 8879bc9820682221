// Another backing file for a qcow2 image that exists, in place.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_REBASE_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_REBASE_H_

#include "guest/formats/common/rebase.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Writes the header with its extensions anew, in one write, and nothing else. Extensions of which
// nothing is known stay. False: the first cluster has no room for the names.
Result<bool> RebaseQcow2(IoChannel& io, const FileHandle& file, const BackingNames& names);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_REBASE_H_
