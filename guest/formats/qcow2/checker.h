// The consistency check of a qcow2 image, for `hotcell check`. It repairs nothing.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_CHECKER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_CHECKER_H_

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Counts the claims of all metadata, active and of snapshots, on each cluster of the file and
// compares them with the refcounts ("Host cluster management") and the copied flags. Findings have
// the words of qemu-img check, which scripts know, where it has any. Data is not looked at, neither
// the guest's nor that of an external data file.
Result<CheckResult> CheckQcow2(IoChannel& io, const FileHandle& file, const OpenOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_CHECKER_H_
