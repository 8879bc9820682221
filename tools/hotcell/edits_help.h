// What `hotcell COMMAND --help` prints for the commands that edit an image or, as qemu-img's do,
// what is in it.
#ifndef HOTCELL_TOOLS_HOTCELL_EDITS_HELP_H_
#define HOTCELL_TOOLS_HOTCELL_EDITS_HELP_H_

#include <string_view>

namespace hotcell::cli {

inline constexpr std::string_view kSnapshotHelp =
    R"(usage: hotcell snapshot [OPTION]... [-l] FILE

Lists the internal snapshots of the disk image FILE, as 'qemu-img snapshot -l' does: nothing
where there are none. Files that it refers to are not opened.

  -l, --list        list them (default)
  -f FORMAT         format of FILE (default: found out in the guest)
  --image-opts      FILE is driver=FORMAT,file.filename=PATH
  -q, -U            accepted, without effect
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text
Snapshots are not made, applied or deleted: -c, -a and -d are refused.

Exit status: 0 done, 1 error.
)";

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_EDITS_HELP_H_
