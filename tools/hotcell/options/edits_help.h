// What `hotcell COMMAND --help` prints for the commands that edit an image or, as qemu-img's do,
// what is in it.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_EDITS_HELP_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_EDITS_HELP_H_

#include <string_view>

namespace hotcell::cli {

inline constexpr std::string_view kRebaseHelp =
    R"(usage: hotcell rebase -u [OPTION]... FILE

Has the header of the qcow2 image FILE name another backing file, in place, as 'qemu-img rebase
-u' does. Nothing is opened and no data is moved: it is for a backing file that was renamed or
that holds the same.

  -u                change the header only; without it, the command is refused
  -b NAME           the backing file, as it goes into the header; '' or no -b: there is none
  -F, -B FORMAT     its format
  -f FORMAT         format of FILE (default: found out in the guest)
  --image-opts      FILE is driver=FORMAT,file.filename=PATH
  -t MODE           cache mode: none, writeback, unsafe, directsync, writethrough
  -p, -q            show progress; do not
  -T MODE, -U       accepted, without effect
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text
An image that QEMU or another hotcell uses is locked, and refused.

Exit status: 0 done, 1 error.
)";

inline constexpr std::string_view kResizeHelp =
    R"(usage: hotcell resize [OPTION]... FILE SIZE

Gives the disk in the image FILE another size, as 'qemu-img resize' does: SIZE bytes, +SIZE
more or -SIZE less. The image is changed in place, by its own format's rules and in a guest.
Whenever that is stopped, the image is sound and has its old size or the new one. What the
disk grows by reads as zeroes.

  -f FORMAT         format of FILE (default: found out in the guest): raw or qcow2
  --shrink          the disk may become smaller, and lose what it has there (raw)
  --preallocation MODE
                    what is set aside of what the disk grows by: off (default), metadata
                    (qcow2), falloc, full
  --image-opts      FILE is driver=FORMAT,file.filename=PATH
  -q                print nothing but errors
  --backing NAME=FILE, --follow-references=DIR
                    backing files, which are only read
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text
An image that QEMU or another hotcell uses is locked, and refused.

Exit status: 0 done, 1 error.
)";

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

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_EDITS_HELP_H_
