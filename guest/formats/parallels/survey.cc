#include "guest/formats/common/survey.h"

#include <array>
#include <bit>

#include "base/text.h"
#include "guest/formats/common/block_table.h"
#include "guest/formats/common/dirty_bitmap.h"
#include "guest/formats/parallels/header.h"
#include "guest/formats/parallels/parallels.h"

namespace hotcell::guest {
namespace parallels {
namespace {

constexpr size_t kEntriesAtOnce = 4096;
// 64 MiB of BAT.
constexpr uint32_t kMaxScannedEntries = 16 << 20;

// QEMU 11 reads a cluster before the data area as zeroes, where others read what is there.
Status SurveyDataArea(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                      Survey& survey) {
  if (!header.data_offset_right) {
    survey.Add(ConcernKind::kReadersDiffer,
               "the data area starts where none can: programs put it elsewhere, or read zeroes");
    return OkStatus();
  }
  if (header.data_offset == header.first_data_offset) return OkStatus();
  if (header.bat_entries > kMaxScannedEntries) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("the data area starts at ", Hex(header.data_offset),
                      " instead of after the BAT, which has too many entries to say whether "
                      "clusters lie before it"));
    return OkStatus();
  }
  BlockTable bat(file, sizeof(Header), header.bat_entries, "parallels", "the BAT");
  std::array<uint32_t, kEntriesAtOnce> entries;
  for (uint64_t first = 0; first < header.bat_entries;) {
    const auto count = bat.Read(io, first, entries);
    if (!count.ok()) return count.status();
    for (size_t i = 0; i < *count; ++i) {
      if (entries[i] == 0 || entries[i] * header.entry_unit >= header.data_offset) continue;
      survey.Add(ConcernKind::kReadersDiffer,
                 StrCat("cluster ", first + i, " lies before the data area, which starts at ",
                        Hex(header.data_offset), ": some programs read zeroes in its place"));
      return OkStatus();
    }
    first += *count;
  }
  return OkStatus();
}

void SurveyBitmaps(const ImageHeader& header, Survey& survey) {
  for (const uint32_t granularity : header.bitmap_granularities) {
    const uint64_t bytes = granularity * kSectorSize;
    if (!std::has_single_bit(bytes) || bytes > UINT32_MAX) {
      survey.Add(ConcernKind::kNotUnderstood,
                 StrCat("a dirty bitmap has a bit for each ", granularity,
                        " sectors, which is no power of two or too many: programs abort"));
      continue;
    }
    survey.AddReaderMemory(DirtyBitmapMemory(header.virtual_size, bytes));
  }
}

void SurveyMemory(const FileHandle& file, const ImageHeader& header, Survey& survey) {
  survey.AddReaderMemory(header.bat_end());
  // A bit for each cluster that the file has room for.
  survey.AddReaderMemory(file.size / header.cluster_size / 8);
  if (header.extension_offset == 0) return;
  survey.AddReaderMemory(header.cluster_size);
  if (!header.bitmap_granularities.empty()) survey.AddReaderMemory(header.cluster_size);
}

}  // namespace
}  // namespace parallels

Status SurveyParallels(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto header = parallels::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  parallels::SurveyMemory(file, *header, survey);
  parallels::SurveyBitmaps(*header, survey);
  return parallels::SurveyDataArea(io, file, *header, survey);
}

}  // namespace hotcell::guest
