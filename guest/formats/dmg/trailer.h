// The validated trailer of a disk image.
#ifndef HOTCELL_GUEST_FORMATS_DMG_TRAILER_H_
#define HOTCELL_GUEST_FORMATS_DMG_TRAILER_H_

#include <cstdint>

#include "guest/formats/dmg/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::dmg {

struct ImageTrailer {
  uint64_t sectors = 0;    // of the disk; 0: as many as the chunks have
  uint64_t data_fork = 0;  // offset in the file
  uint64_t data_fork_length = 0;
  uint64_t end = 0;  // of all else: the trailer's offset
  // Where the block tables are; length 0: not there.
  uint64_t resource_fork_offset = 0;
  uint64_t resource_fork_length = 0;
  uint64_t xml_offset = 0;
  uint64_t xml_length = 0;
  // Bytes of the parts that are neither data nor the trailer, all together.
  uint64_t parts_length = 0;
};

// Whether one of the parts that the trailer names ends where the trailer is, at `end` in the file;
// fewer bytes than a sector may lie between them.
bool ReachesTrailer(const Trailer& trailer, uint64_t end);

// Whatever the trailer says, the parts it names lie before it.
Result<ImageTrailer> ReadTrailer(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_TRAILER_H_
