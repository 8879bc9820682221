// File systems that are never written to, and what else an emulator writes.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

// An ISO 9660 image that starts with a partition table is
// a disk as well.
constexpr Kind kIso9660 = {.name = "iso9660",
                           .what = "an ISO 9660 file system, a CD or DVD",
                           .remedy = "attach it as a CD",
                           .signature = SignatureKind::kIso9660};
constexpr Kind kSquashfs = {.name = "squashfs",
                            .what = "a squashfs file system",
                            .remedy = "mount it, or unpack it (unsquashfs)",
                            .signature = SignatureKind::kSquashfs};
constexpr Kind kVmState = {.name = "vmstate",
                           .what = "the saved state of a QEMU machine",
                           .remedy = "restore the machine with it",
                           .signature = SignatureKind::kVmState};

}  // namespace
}  // namespace foreign

constinit const FormatDriver kIso9660Format = foreign::Driver<foreign::kIso9660>();
constinit const FormatDriver kSquashfsFormat = foreign::Driver<foreign::kSquashfs>();
constinit const FormatDriver kVmStateFormat = foreign::Driver<foreign::kVmState>();

}  // namespace hotcell::guest
