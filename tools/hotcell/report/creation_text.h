// What `create` prints of a new image, as qemu-img prints it. The format's options.toml has which
// options are printed, in which order, and what is printed of those that are not given.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_CREATION_TEXT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_CREATION_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tools/hotcell/options/target_backing.h"

namespace hotcell::cli {

// "Formatting 'x.qcow2', fmt=qcow2 cluster_size=65536 ... size=1048576 ...". `options` are all that
// were given, `size` and the backing file among them, later ones counting. Options that are not in
// the format's list come last. kInvalidArgument: what should be a size is none.
absl::StatusOr<std::string> FormattingText(std::string_view path, std::string_view format,
                                           TargetOptions options);

// Whether images of the format can stand on another one.
bool HasBackingFiles(std::string_view format);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_CREATION_TEXT_H_
