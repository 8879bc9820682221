#include <memory>
#include <utility>

#include "guest/formats/dmg/chunk_table.h"
#include "guest/formats/dmg/description.h"
#include "guest/formats/dmg/dmg.h"
#include "guest/formats/dmg/property_list.h"
#include "guest/formats/dmg/reader.h"
#include "guest/formats/dmg/trailer.h"

namespace hotcell::guest {

Result<std::unique_ptr<ImageReader>> OpenDmg(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  const auto trailer = dmg::ReadTrailer(io, file);
  if (!trailer.ok()) return trailer.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("dmg", trailer->sectors * dmg::kSectorSize, options));
  dmg::ChunkTable table(trailer->sectors, trailer->data_fork, trailer->end);
  if (trailer->resource_fork_length > 0) {
    HOTCELL_RETURN_IF_ERROR(dmg::ReadResourceFork(io, file, *trailer, table));
  } else if (trailer->xml_length > 0) {
    dmg::PropertyListScanner scanner(table);
    HOTCELL_RETURN_IF_ERROR(dmg::ReadPropertyList(io, file, *trailer, scanner));
  } else {
    return CorruptImage("dmg: the image has neither a property list nor a resource fork");
  }
  HOTCELL_RETURN_IF_ERROR(table.Finish());
  return std::unique_ptr<ImageReader>(
      std::make_unique<dmg::Reader>(file, trailer->sectors, std::move(table)));
}

}  // namespace hotcell::guest
