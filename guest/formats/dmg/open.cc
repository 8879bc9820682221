#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "guest/formats/dmg/chunk_table.h"
#include "guest/formats/dmg/dmg.h"
#include "guest/formats/dmg/property_list.h"
#include "guest/formats/dmg/reader.h"
#include "guest/formats/dmg/trailer.h"
#include "guest/formats/stream_reader.h"
#include "guest/runtime/text.h"

namespace hotcell::guest {
namespace dmg {
namespace {

constexpr uint64_t kPiece = 64 << 10;

Status ReadPropertyList(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                        ChunkTable& table) {
  StreamReader stream(io, file, trailer.xml_offset, trailer.xml_length, "dmg: the property list");
  PropertyListScanner scanner(table);
  while (stream.position() < trailer.xml_length) {
    const auto bytes = stream.Take(std::min(kPiece, trailer.xml_length - stream.position()));
    if (!bytes.ok()) return bytes.status();
    HOTCELL_RETURN_IF_ERROR(scanner.Feed(*bytes));
  }
  return scanner.Finish();
}

// All resources of the fork; the map that would tell their types is not looked at, as block tables
// show what they are.
Status ReadResourceFork(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                        ChunkTable& table) {
  StreamReader fork(io, file, trailer.resource_fork_offset, trailer.resource_fork_length,
                    "dmg: the resource fork");
  const auto header = fork.TakeStruct<ResourceForkHeader>();
  if (!header.ok()) return header.status();
  if (header->data_offset < sizeof(ResourceForkHeader)) {
    return CorruptImage("dmg: the data of the resource fork overlap its header");
  }
  HOTCELL_RETURN_IF_ERROR(fork.Skip(header->data_offset - sizeof(ResourceForkHeader)));
  const uint64_t end = fork.position() + header->data_length;
  while (fork.position() < end) {
    const auto size = fork.TakeStruct<Be32>();
    if (!size.ok()) return size.status();
    table.BeginResource();
    for (uint64_t left = *size; left > 0;) {
      const auto bytes = fork.Take(std::min(kPiece, left));
      if (!bytes.ok()) return bytes.status();
      HOTCELL_RETURN_IF_ERROR(table.Feed(*bytes));
      left -= bytes->size();
    }
    HOTCELL_RETURN_IF_ERROR(table.EndResource());
  }
  return OkStatus();
}

}  // namespace
}  // namespace dmg

Result<std::unique_ptr<ImageReader>> OpenDmg(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  const auto trailer = dmg::ReadTrailer(io, file);
  if (!trailer.ok()) return trailer.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("dmg", trailer->sectors * dmg::kSectorSize, options));
  dmg::ChunkTable table(trailer->sectors, trailer->data_fork, trailer->end);
  if (trailer->resource_fork_length > 0) {
    HOTCELL_RETURN_IF_ERROR(dmg::ReadResourceFork(io, file, *trailer, table));
  } else if (trailer->xml_length > 0) {
    HOTCELL_RETURN_IF_ERROR(dmg::ReadPropertyList(io, file, *trailer, table));
  } else {
    return CorruptImage("dmg: the image has neither a property list nor a resource fork");
  }
  HOTCELL_RETURN_IF_ERROR(table.Finish());
  return std::unique_ptr<ImageReader>(
      std::make_unique<dmg::Reader>(file, trailer->sectors, std::move(table)));
}

}  // namespace hotcell::guest
