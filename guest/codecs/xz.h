// Streams of the .xz format, whose compression is LZMA2: chunks of newer disk images of macOS.
#ifndef HOTCELL_GUEST_CODECS_XZ_H_
#define HOTCELL_GUEST_CODECS_XZ_H_

#include <cstddef>
#include <span>

#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Unpacks the one stream that `stream` begins with into exactly `cluster`; what follows it is
// padding, another stream too. Any number of blocks, and every filter of liblzma's (Delta and those
// for programs), as in The .xz File Format, 1.1.0.
//
// Memory is a dictionary as large as `cluster` and some 100 KiB, whatever dictionary a block asks
// for: no match can reach back further than to the start of its block. Time is bounded by the
// sizes of `stream` and `cluster`.
//
// kCorruptImage when the stream is damaged, fails its own check, or unpacks to less or more than a
// cluster; kUnsupported for a filter or a kind of check that liblzma does not know.
Status UnpackXz(std::span<const std::byte> stream, std::span<std::byte> cluster);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_XZ_H_
