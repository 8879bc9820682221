// The structures of a cloop file, "V2.0 Format", which has no written specification; the layout is
// that of cloop's compressed_loop.h and of QEMU's block/cloop.c.
#ifndef HOTCELL_GUEST_FORMATS_CLOOP_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_CLOOP_ON_DISK_H_

#include <cstdint>
#include <string_view>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::cloop {

// The file starts as a shell script that mounts it.
inline constexpr std::string_view kScript =
    "#!/bin/sh\n"
    "#V2.0 Format\n"
    "modprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";

struct Header {
  char script[128];
  Be32 block_size;  // bytes
  Be32 num_blocks;
};
static_assert(sizeof(Header) == 136);

// num_blocks + 1 offsets of 64 bits follow: where each block's zlib stream (RFC 1950) begins, and
// where the last one ends.

// Limits of ours: what a lane unpacks at once, and 512 GiB of disk in blocks of 64 KiB. cloop's own
// tool warns of blocks of more than 256 KiB; QEMU's limits are 64 MiB and 512 MiB.
inline constexpr uint32_t kMaxBlockSize = 2 << 20;
inline constexpr uint64_t kMaxOffsetsBytes = 64 << 20;

}  // namespace hotcell::guest::cloop

#endif  // HOTCELL_GUEST_FORMATS_CLOOP_ON_DISK_H_
