#include <algorithm>
#include <memory>
#include <utility>

#include "guest/formats/dmg/chunk_table.h"
#include "guest/formats/dmg/description.h"
#include "guest/formats/dmg/dmg.h"
#include "guest/formats/dmg/reader.h"
#include "guest/formats/dmg/trailer.h"

namespace hotcell::guest {

Result<std::unique_ptr<ImageReader>> OpenDmg(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  const auto trailer = dmg::ReadTrailer(io, file);
  if (!trailer.ok()) return trailer.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("dmg", trailer->sectors * dmg::kSectorSize, options));
  auto table = dmg::ReadChunks(io, file, *trailer);
  if (!table.ok()) return table.status();
  const uint64_t sectors = table->disk_sectors();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("dmg", sectors * dmg::kSectorSize, options));
  return std::unique_ptr<ImageReader>(
      std::make_unique<dmg::Reader>(file, sectors, std::move(*table)));
}

namespace {

// What is not supported is an image all the same, to be refused by its name.
bool IsRefusal(const Status& status) {
  return status.code() == Code::kUnsupported || status.code() == Code::kLimit;
}

}  // namespace

bool DmgAccountsForFile(IoChannel& io, const FileHandle& file) {
  const auto trailer = dmg::ReadTrailer(io, file);
  if (!trailer.ok()) return IsRefusal(trailer.status());
  // A disk that only a trailer follows is a raw one to most programs, whose last sector it is.
  if (trailer->xml_length == 0 && trailer->resource_fork_length == 0) return false;
  const auto table = dmg::ReadChunks(io, file, *trailer);
  if (!table.ok()) return IsRefusal(table.status());
  // A chunk that is much larger than what it unpacks to accounts for no more than that.
  constexpr uint64_t kSlack = 64 << 10;
  uint64_t accounted = trailer->parts_length;
  for (const dmg::Chunk& chunk : table->chunks()) {
    const uint64_t size = chunk.sectors * dmg::kSectorSize;
    accounted += std::min(chunk.length, size + size / 64 + 1024);
  }
  return accounted + kSlack >= trailer->end;
}

}  // namespace hotcell::guest
