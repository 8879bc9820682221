#include "guest/formats/common/survey.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "guest/formats/dmg/chunk_table.h"
#include "guest/formats/dmg/description.h"
#include "guest/formats/dmg/dmg.h"
#include "guest/formats/dmg/property_list.h"
#include "guest/formats/dmg/trailer.h"
#include "guest/formats/raw/contents.h"

namespace hotcell::guest {
namespace dmg {
namespace {

// QEMU takes the first signature that it finds in the last bytes of the file for the trailer;
// 7-Zip knows files that begin with it.
Status SurveyTrailers(IoChannel& io, const FileHandle& file, Survey& survey) {
  constexpr std::string_view kSignature = "koly";
  constexpr uint64_t kArea = 2 * kSectorSize - 1;
  std::array<char, kArea> area;
  const auto end = std::span(area).first(std::min(kArea, file.size));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, file.size - end.size(), std::as_writable_bytes(end),
                                    "dmg: the end of the file"));
  const size_t found = std::string_view(end.data(), end.size()).find(kSignature);
  if (found < end.size() - sizeof(Trailer)) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat("there is the mark of another trailer at ",
                      Hex(file.size - end.size() + found), "; some programs go by that one"));
  }
  std::array<char, kSignature.size()> start;
  if (file.size <= sizeof(Trailer)) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(start)), "dmg: the file's start"));
  if (std::string_view(start.data(), start.size()) == kSignature) {
    survey.Add(ConcernKind::kReadersDiffer,
               "there is the mark of another trailer at the start of the file; some programs go by "
               "that one");
  }
  return OkStatus();
}

ChunkTable EmptyTable(const ImageTrailer& trailer) {
  return ChunkTable(trailer.sectors, trailer.data_fork, trailer.end);
}

// The chunks that the property list has in it to a reader of `scope`.
Status ReadList(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                PropertyListScanner::Scope scope, ChunkTable& table, bool* odd) {
  PropertyListScanner scanner(table, scope);
  HOTCELL_RETURN_IF_ERROR(ReadPropertyList(io, file, trailer, scanner));
  *odd = scanner.has_odd_markup();
  return table.Finish();
}

// macOS and 7-Zip parse the property list as XML, QEMU looks for the elements that can be tables.
Status SurveyPropertyList(IoChannel& io, const FileHandle& file, const ImageTrailer& trailer,
                          const ChunkTable& used, Survey& survey) {
  using Scope = PropertyListScanner::Scope;
  if (trailer.xml_length == 0) return OkStatus();
  bool odd = false;
  for (const Scope scope : {Scope::kBlkx, Scope::kEvery}) {
    ChunkTable table = EmptyTable(trailer);
    const Status status = ReadList(io, file, trailer, scope, table, &odd);
    if (status.code() == Code::kIo) return status;
    if (status.ok() && table.chunks() == used.chunks()) continue;
    survey.Add(ConcernKind::kReadersDiffer,
               trailer.resource_fork_length > 0
                   ? "the resource fork and the property list describe different disks; programs "
                     "use one or the other"
                   : "the property list has block tables where they do not belong; some programs "
                     "use them");
    return OkStatus();
  }
  if (odd) {
    survey.Add(ConcernKind::kNotUnderstood,
               "the property list has comments, entities or attributes, which programs read in "
               "different ways");
  }
  return OkStatus();
}

// Looks for sectors that no chunk holds: each program makes of them what it likes.
void SurveyCover(const ChunkTable& used, Survey& survey) {
  uint64_t end = 0;
  for (const Chunk& chunk : used.chunks()) {
    if (chunk.sector != end) break;
    end = chunk.end();
  }
  if (end == used.disk_sectors()) return;
  survey.Add(ConcernKind::kNotUnderstood, StrCat("no chunk holds sector ", end,
                                                 " of the disk, which has ", used.disk_sectors()));
}

// How many bytes the file and the disk begin with in common.
uint64_t CommonStart(const ChunkTable& used) {
  uint64_t end = 0;
  for (const Chunk& chunk : used.chunks()) {
    const uint64_t begin = chunk.sector * kSectorSize;
    if (chunk.type != kRaw || chunk.offset != begin || begin != end) break;
    end = begin + chunk.length;
  }
  return end;
}

// Whoever does not look for a trailer sees a disk in what begins like one: the same, if the file's
// first bytes are the disk's as they are.
Status SurveyStart(IoChannel& io, const FileHandle& file, const ChunkTable& used, Survey& survey) {
  if (CommonStart(used) >= std::min(kDiskContentsArea, used.disk_sectors() * kSectorSize)) {
    return OkStatus();
  }
  auto found = FindDiskContents(io, file);
  if (!found.ok()) return found.status();
  if (found->empty()) return OkStatus();
  survey.AddOtherDisk(found->front());
  return OkStatus();
}

}  // namespace
}  // namespace dmg

Status SurveyDmg(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto trailer = dmg::ReadTrailer(io, file);
  if (!trailer.ok()) return trailer.status();
  const auto used = dmg::ReadChunks(io, file, *trailer);
  if (!used.ok()) return used.status();
  if (trailer->xml_length == 0 && trailer->resource_fork_length == 0) {
    survey.Add(
        ConcernKind::kReadersDiffer,
        "the trailer names no block tables; most programs take the file with its trailer for "
        "a raw disk");
  }
  HOTCELL_RETURN_IF_ERROR(dmg::SurveyTrailers(io, file, survey));
  HOTCELL_RETURN_IF_ERROR(dmg::SurveyPropertyList(io, file, *trailer, *used, survey));
  dmg::SurveyCover(*used, survey);
  return dmg::SurveyStart(io, file, *used, survey);
}

}  // namespace hotcell::guest
