// What `hotcell COMMAND --help` prints.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_HELP_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_HELP_H_

#include <string_view>

namespace hotcell::cli {

inline constexpr std::string_view kConvertHelp =
    R"(usage: hotcell convert [OPTION]... INPUT... OUTPUT

Converts the disk image INPUT, which is read and decoded in a KVM guest, to OUTPUT.
Several INPUTs come one after the other on one disk.
OUTPUT appears when it is complete; until then, and on any error, the old file stays.
Only -n, devices, /dev/fd/N and files that cannot be replaced are written in place. Into a
pipe, such as /dev/stdout, it goes when it is complete.

As with qemu-img, whose long names for these (--source-format, --target-format-options,
--sparse-size, --no-create, ...) are taken as well:
  -f FORMAT         format of INPUT, see 'hotcell --help' (default: found out in the guest)
  -O FORMAT         format of OUTPUT (default: raw)
  -o NAME=VALUE,... options of the output format; '-o help' lists them
  -B, -b FILE, -F FORMAT  OUTPUT stands on FILE, of that format, and has only what INPUT
                    itself holds; INPUT may refer to FILE by the same name. --backing FILE
                    says so too, where there is no '=' in it
  -c                compress (qcow2, qcow, vmdk with subformat=streamOptimized)
  -C                copy data from file to file, where the kernel can without moving it;
                    zeroes in it are not looked for (not with -c or -S)
  -l SNAPSHOT       convert an internal snapshot, by id or else name (snapshot.id=ID,
                    snapshot.name=NAME or both with a comma: by nothing else)
  -n                write into an OUTPUT that exists, in place; a qcow2 image is made anew
                    with its options, and its disk must have the size of INPUT's
  --target-is-zero  with -n: OUTPUT is known to read as zeroes
  --image-opts      INPUT is driver=FORMAT,file.filename=FILE
  --target-image-opts  with -n: so is OUTPUT
  -p                show progress; SIGUSR1 shows it once at any time
  -q                no progress, no warnings
  -r RATE           write at most so many bytes a second
  -S SIZE           shortest run of zeroes to leave out (default 4k; 0: write everything)
  -t, -T MODE       cache mode of OUTPUT, INPUT: none, writeback, unsafe, directsync,
                    writethrough; all but unsafe sync OUTPUT before it appears, none and
                    directsync use O_DIRECT (default: unsafe, writeback)
  -U                copy INPUT also while another program has it open for writing
  -m COUNT, -W      accepted, without effect

Files that an image refers to are not opened unless you say so:
  --backing NAME=FILE        open FILE where the image says NAME (written as in the error)
  --follow-references=DIR    open what is below DIR, without symbolic links and other mounts

Not without a verdict:
  --inspect         judge INPUT first, as 'hotcell inspect' does, and convert it only if it is
                    safe: both read the same open file, and nothing is written before. An
                    image that names other files is not safe, allowed or not
  --allow-format, --max-virtual-size, --max-reader-memory, --max-expansion, --no-check
                    what is safe, as in 'hotcell help inspect'

Limits and confinement:
  --lanes COUNT     vCPUs that work, 1 to 16 (default: one per CPU; one for an image
                    of at most 1 MiB that refers to no other)
  --memory SIZE     RAM of the guest (default 64M)
  --timeout SECONDS end the job after this time (default: a day)
  --limit NAME=VALUE  memory, wall-time, cpu-time, output-bytes, bytes-written, bytes-read,
                    virtual-size, report-bytes, references, chain-depth
  --require LAYER,... refuse to run without these confinement layers, or all of them
                    ('all'); 'hotcell policy' lists them
  --fail-if-changed a file that changes while it is read is an error, not a warning

Other:
  --stats           print VM exits, doorbells, bytes, time and the job's steps, peak memory,
                    confinement
  --output FORMAT   human or json: result and errors as one JSON document on standard
                    output; progress goes to standard error then, a line
                    {"progress": PERCENT} each time
  --worker FILE, --kvm FILE  the worker program and the KVM device to use
  -h, --help        this text

Exit status: 0 done, 1 error, 2 not safe (--inspect), 130 and 143 cancelled by SIGINT and
SIGTERM.
)";

inline constexpr std::string_view kCreateHelp =
    R"(usage: hotcell create [OPTION]... FILE [SIZE]

Makes a disk image that holds nothing, or what its backing file holds. FILE appears when
it is complete. SIZE is bytes, or a number with k, M, G, T, P or E; with a backing file it
may be left out.

  -f FORMAT         format of FILE (default: raw)
  -o NAME=VALUE,... options of the format; '-o help' lists them
  -b FILE, -F FORMAT  the backing file, and its format, which has to be said (-B as well)
  -u                do not open the backing file; SIZE has to be given
  -q                print nothing
                    QEMU 11's long names are taken as well: --format, --options, --backing,
                    --backing-format, --backing-unsafe, --quiet
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text

Exit status: 0 done, 1 error.
)";

inline constexpr std::string_view kDdHelp =
    R"(usage: hotcell dd [OPTION]... if=INPUT of=OUTPUT [bs=SIZE] [count=N] [skip=N]

Copies blocks of the disk in the image INPUT to OUTPUT, as 'qemu-img dd' does: 'skip'
blocks are left out, and the copy ends after 'count' blocks, the skipped ones included, or
at the end of the disk. OUTPUT appears when it is complete.

  bs=SIZE           bytes of a block (default: 512)
  -f FORMAT, -O FORMAT  format of INPUT (default: found out) and of OUTPUT (default: raw);
                    also --format, --output-format
  -n                write into an OUTPUT that exists, in place
  --image-opts      INPUT is driver=FORMAT,file.filename=FILE
  -U                accepted, without effect
  --backing NAME=FILE, --follow-references=DIR
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text

Exit status: 0 done, 1 error.
)";

inline constexpr std::string_view kMapHelp =
    R"(usage: hotcell map [OPTION]... FILE

Tells where the bytes of the disk in the image FILE are, as 'qemu-img map' does.

  -f FORMAT         format of FILE (default: found out in the guest)
  -s OFFSET, --start-offset=OFFSET
                    begin here (default: 0)
  -l LENGTH, --max-length=LENGTH
                    so many bytes (default: to the end of the disk)
  --output FORMAT   human: data in files, an error where it is compressed; json: all of the
                    disk
  --image-opts      FILE is driver=FORMAT,file.filename=FILE
  -U                accepted, without effect
  --backing NAME=FILE, --follow-references=DIR
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'; the time is 3600 seconds unless you say
  -h, --help        this text

Exit status: 0 done, 1 error.
)";

inline constexpr std::string_view kMeasureHelp =
    R"(usage: hotcell measure [OPTION]... FILE
       hotcell measure [OPTION]... -s SIZE

Tells how large an image of the disk in FILE, or of an empty disk, would be, as 'qemu-img
measure' does.

  -s SIZE, --size=SIZE  of an empty disk
  -O FORMAT, -o NAME=VALUE,...
                    format of that image, and its options: raw (default) or qcow2; also
                    --target-format, --options
  -f FORMAT, --format=FORMAT
                    format of FILE (default: found out in the guest)
  -l SNAPSHOT, --snapshot=SNAPSHOT
                    an internal snapshot of FILE, by id or name
  --output FORMAT   human or json
  --image-opts      FILE is driver=FORMAT,file.filename=FILE
  -U                accepted, without effect
  --backing NAME=FILE, --follow-references=DIR
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'; the time is 3600 seconds unless you say
  -h, --help        this text

Exit status: 0 done, 1 error.
)";

inline constexpr std::string_view kInfoHelp =
    R"(usage: hotcell info [OPTION]... FILE

Describes the disk image FILE, which is read in a KVM guest, as 'qemu-img info' does.
Files that it refers to are named and, without --backing-chain, not opened.

  -f FORMAT         format of FILE (default: found out in the guest)
  --backing-chain   describe the images below FILE too; one that may not be opened is an error
  --backing NAME=FILE, --follow-references=DIR
                    allow them, as in 'hotcell help convert'
  --image-opts      FILE is driver=FORMAT,file.filename=PATH
  --output FORMAT   human or json; json has qemu-img's keys, and hotcell's own (confinement,
                    references, warnings) under the key "hotcell"
  -t MODE, -U       accepted, without effect
  --memory SIZE, --timeout SECONDS, --limit NAME=VALUE, --require LAYER,...
  --fail-if-changed, --worker FILE, --kvm FILE
                    as in 'hotcell help convert'; the time is 600 seconds unless you say
  -h, --help        this text

Exit status: 0 done, 1 error.
)";

inline constexpr std::string_view kRunHelp =
    R"(usage: hotcell run [OPTION]... PROGRAM

Runs a bare-metal program, a flat binary or an ELF64, in a KVM guest that a confined
process owns. Standard output carries what the guest sends to its serial port; everything
else goes to standard error.

  --mode MODE       long: 64-bit, CPL 0, identity mapped (default)
                    real: 16-bit
                    payload: CPL 3 with page protection, an ELF64 linked for the guest
                    run-time, as the transcoder is
  --load ADDRESS    where a flat binary goes (default: long 0x10000, real 0x1000)
  --entry ADDRESS   first instruction (default: --load, or what the ELF64 says)
  --mem SIZE        RAM, at least 4M (default 64M)
  --vcpus COUNT     1 to 16 (real: 1)
  --timeout SECONDS stop the guest after this time (default 60)
  --serial-input FILE  what the guest reads from its serial port; -: standard input
  --input FILE      mapped into the arena (long mode, payload)
  --output FILE     what the guest leaves in the arena's output area (likewise)
  --output json     the result as a JSON document on standard output, with what the guest
                    sent to its serial port in it; a file of that name is ./json
  --output-capacity SIZE  room for it (default 16M)
  --dirty-pages     log and show the pages that KVM counts as written
  --registers       show the registers before and after
  --vga             print the VGA text page at the end
  -v, --verbose     narrate, and show result, registers and VGA text
  --stats           show VM exits, time, peak memory, confinement
  --limit NAME=VALUE, --require LAYER,..., --worker FILE, --kvm FILE
                    as in 'hotcell help convert'
  -h, --help        this text

Ports (real and long mode): 0x3f8 serial data, 0x3fd serial line status, 0x01 exit code,
0xeff result. VGA text memory is at 0xb8000.

Exit status: the guest's own code, 0 after HLT; or
  119  the worker made a forbidden system call
  120  the guest was not started: command line, files or confinement
  121  a port that no device answers, or another unexpected exit
  122  memory access outside RAM and devices
  123  triple fault
  124  stopped by --timeout
  125  guest fault (payload mode), or a guest that broke its contract
  126  KVM cannot be used, or cannot go on
  127  the worker died or broke the protocol
  130, 143  cancelled by SIGINT, SIGTERM
)";

inline constexpr std::string_view kPolicyHelp =
    R"(usage: hotcell policy [OPTION]...

Shows what the worker, which owns the guest, may ask of the kernel, and what else confines it:
each system call that its filters allow, with the arguments it must have, who makes it and
what for; each layer of confinement, and what it is against. It is what this program's worker
was built with; 'hotcell doctor' tells which layers this machine gives.

  --output FORMAT   human or json
  -h, --help        this text
)";

inline constexpr std::string_view kDoctorHelp =
    R"(usage: hotcell doctor [OPTION]...

Checks what this machine can do: opens /dev/kvm, makes a VM, runs a guest to HLT, converts
a small image in a guest, tries each confinement layer, and looks at kernel, KVM module,
huge pages, user namespaces and the configuration file, which the guests' jobs follow. Each
problem comes with its remedy.

  --output FORMAT   human or json; json also lists the image formats
  --timeout SECONDS for each guest (default 10)
  --worker FILE, --kvm FILE
                    the worker program and the KVM device to check
  -h, --help        this text

Exit status: 0 'hotcell convert' works here, 1 it does not.
)";

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_HELP_H_
