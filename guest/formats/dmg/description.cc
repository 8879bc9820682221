#include "guest/formats/dmg/description.h"

#include <algorithm>

#include "base/text.h"
#include "guest/formats/common/stream_reader.h"

namespace hotcell::guest::dmg {
namespace {

constexpr uint64_t kPiece = 64 << 10;

}  // namespace

Status ReadPropertyList(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                        PropertyListScanner& scanner) {
  StreamReader stream(io, file, trailer.xml_offset, trailer.xml_length, "dmg: the property list");
  while (stream.position() < trailer.xml_length) {
    const auto bytes = stream.Take(std::min(kPiece, trailer.xml_length - stream.position()));
    if (!bytes.ok()) return bytes.status();
    HOTCELL_RETURN_IF_ERROR(scanner.Feed(*bytes));
  }
  return scanner.Finish();
}

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

namespace {

// A disk that is only followed by a trailer, as "hdiutil convert -format UDRW" of old wrote it.
Status DescribeRaw(const ImageTrailer& trailer, ChunkTable& table) {
  const uint64_t sectors = trailer.data_fork_length / kSectorSize;
  if (sectors != 0 && trailer.data_fork_length % kSectorSize == 0 &&
      (trailer.sectors == 0 || trailer.sectors == sectors)) {
    table.SetRaw(sectors);
    return OkStatus();
  }
  return CorruptImage(StrCat(
      "dmg: the image has neither a property list nor a resource fork, and its data fork (",
      trailer.data_fork_length, " bytes) is not the disk itself (", trailer.sectors, " sectors)"));
}

}  // namespace

Result<ChunkTable> ReadChunks(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer) {
  ChunkTable table(trailer.sectors, trailer.data_fork, trailer.end);
  if (trailer.resource_fork_length > 0) {
    HOTCELL_RETURN_IF_ERROR(ReadResourceFork(io, file, trailer, table));
  } else if (trailer.xml_length > 0) {
    PropertyListScanner scanner(table);
    HOTCELL_RETURN_IF_ERROR(ReadPropertyList(io, file, trailer, scanner));
  } else {
    HOTCELL_RETURN_IF_ERROR(DescribeRaw(trailer, table));
  }
  HOTCELL_RETURN_IF_ERROR(table.Finish());
  return table;
}

}  // namespace hotcell::guest::dmg
