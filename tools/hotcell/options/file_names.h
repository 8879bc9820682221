// What stands before a colon in the name of a file: to qemu-img a protocol, unless a slash comes
// first. Nothing is opened over a network, so such names are refused, not taken for files.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_FILE_NAMES_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_FILE_NAMES_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hotcell::cli {

// "nbd" of "nbd:localhost:10809" and of "nbd://localhost/disk"; empty: "disk.raw", "./a:b".
std::string_view ProtocolOf(std::string_view name);

struct TargetName {
  std::string path;
  bool is_zero = false;  // "zeroinit:": the file reads as zeroes
};

// The path that is meant. Acting as qemu-img, "file:" and "host_device:" before it are left out,
// before a target's name "zeroinit:" as well, unless a file has that very name (kInvalidArgument);
// every other protocol is unknown. Under its own name hotcell refuses the protocols that QEMU or
// one of its relatives knows, an input's only where no file has that name.
absl::StatusOr<std::string> ParseInputName(std::string_view name);
absl::StatusOr<TargetName> ParseTargetName(std::string_view name);

// kInvalidArgument where a file has the name of what is taken for a description of an image:
// whoever may choose the names of files could have another one opened. Scripts that were written
// for qemu-img say what they mean by such a name.
absl::Status CheckIsNoFile(std::string_view name);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_FILE_NAMES_H_
