// Where the block tables of a disk image come from: a property list or a resource fork.
#ifndef HOTCELL_GUEST_FORMATS_DMG_DESCRIPTION_H_
#define HOTCELL_GUEST_FORMATS_DMG_DESCRIPTION_H_

#include "guest/formats/dmg/chunk_table.h"
#include "guest/formats/dmg/property_list.h"
#include "guest/formats/dmg/trailer.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::dmg {

Status ReadPropertyList(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                        PropertyListScanner& scanner);

// All resources of the fork; the map that would tell their types is not looked at, as block tables
// show what they are.
Status ReadResourceFork(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                        ChunkTable& table);

// Reads the chunks from the resource fork where there is one, as in QEMU, or else from the property
// list.
Result<ChunkTable> ReadChunks(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer);

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_DESCRIPTION_H_
