// What `hotcell COMMAND --help` prints for the commands that judge images and write none.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_CHECKS_HELP_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_CHECKS_HELP_H_

#include <string_view>

namespace hotcell::cli {

inline constexpr std::string_view kCompareHelp =
    R"(usage: hotcell compare [OPTION]... FIRST SECOND

Tells whether two disk images, which may be of different formats, hold the same disk. Where
one disk is longer, the other reads as zeroes.

As with qemu-img:
  -f, -F FORMAT     format of FIRST, SECOND (default: found out in the guest)
  --image-opts      FIRST and SECOND are driver=FORMAT,file.filename=FILE
  -p                show progress; SIGUSR1 shows it once at any time
  -q                print nothing but errors
  -s                strict: sizes must be the same, and so must what is allocated, zero and
                    compressed
  -T MODE           cache mode of both: none, writeback, unsafe, directsync, writethrough
  -U                accepted, without effect
QEMU 11's long names are taken as well: --a-format, --b-format, --progress, --quiet, --strict,
--cache.

Files that an image refers to are not opened unless you say so:
  --backing NAME=FILE, --follow-references=DIR
                    as in 'hotcell help convert', for both images

Other:
  --lanes COUNT     vCPUs that work, 1 to 16 (default: one per CPU)
  --output FORMAT   human or json; progress goes to standard error then, a line
                    {"progress": PERCENT} each time
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text

Exit status: 0 the same, 1 different, 2 an image could not be opened or another error, 3 what
is allocated could not be found out, 4 data could not be read, 130 and 143 cancelled.
)";

inline constexpr std::string_view kCheckHelp =
    R"(usage: hotcell check [OPTION]... FILE

Looks for damage in the tables of the disk image FILE, as 'qemu-img check' does. A backing
file is not opened. What is found goes to standard error, the summary to standard output.

As with qemu-img:
  -f FORMAT         format of FILE (default: found out in the guest)
  --image-opts      FILE is keys: driver=FORMAT,file.filename=PATH
  --output FORMAT   human or json, with qemu-img's keys
  -q                no summary
  -T MODE           cache mode: none, writeback, unsafe, directsync, writethrough
  -U                accepted, without effect
Nothing is repaired: -r is refused.

The further files of a VMDK are not opened unless you say so:
  --backing NAME=FILE, --follow-references=DIR
                    as in 'hotcell help convert'

Other:
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'; the time is 3600 seconds unless you say
  -h, --help        this text

Exit status: 0 nothing is wrong, 1 it could not be checked, 2 damaged, 3 space is lost and
the contents are right, 63 the format has no check, 130 and 143 cancelled.
)";

inline constexpr std::string_view kDigestHelp =
    R"(usage: hotcell digest [OPTION]... IMAGE...

Prints the SHA-256 of the disk in each IMAGE, computed in a KVM guest, in the form that
sha256sum has. It is the same for the same contents in any two formats, and that of the raw
disk, whose size is a multiple of 512 bytes.

  -f FORMAT         format of the images (default: found out in the guest)
  -p                show progress, on standard error; SIGUSR1 shows it once at any time
  -T MODE           cache mode: none, writeback, unsafe, directsync, writethrough
  --backing NAME=FILE, --follow-references=DIR
                    as in 'hotcell help convert'
  --lanes COUNT     vCPUs that work, 1 to 16 (default: one per CPU)
  --output FORMAT   human or json
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text

Exit status: 0 done, 1 an error with at least one image, 130 and 143 cancelled.
)";

inline constexpr std::string_view kInspectHelp =
    R"(usage: hotcell inspect [OPTION]... FILE

Judges, for a service that takes images from strangers, whether FILE is safe to be used as
one: what format it has and what else it could be taken for, whether it names other files,
is encrypted, damaged or too big, or whether a raw copy of its disk would be taken for an
image. Nothing but FILE is opened.

  -f FORMAT         format that FILE is said to have (default: found out in the guest)
  --allow-format FORMAT,...
                    only these formats are safe (default: all but qed)
  --max-virtual-size SIZE
                    a bigger disk is not safe (default: 64T)
  --max-reader-memory SIZE
                    nor is one that programs take more than SIZE of memory to open (default:
                    256M)
  --max-expansion COUNT
                    nor is one more than COUNT times as big as the file (default: any)
  --no-check        do not look for damage in the image's tables, and in the first 64 MiB
                    of compressed data
  -q                print nothing; the exit status tells
  --output FORMAT   human or json; docs/schema/inspect.json describes the document
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'; the time is 600 seconds unless you say
  -h, --help        this text

Exit status: 0 safe, 1 the file could not be looked at, 2 not safe, 130 and 143 cancelled.
)";

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_CHECKS_HELP_H_
