#include "guest/formats/common/survey.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/dirty_bitmap.h"
#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/formats/qcow2/snapshots.h"

namespace hotcell::guest {
namespace qcow2 {
namespace {

constexpr uint64_t kSectorSize = 512;
// Feature bits that mean something.
constexpr uint64_t kKnownCompatible = kCompatibleLazyRefcounts;
constexpr uint64_t kKnownAutoclear = kAutoclearBitmaps | kAutoclearRawDataFile;
// What QEMU keeps of a snapshot besides what the table holds, and again to tell of it.
constexpr uint64_t kSnapshotMemory = 512;
// QEMU compares the name of each bitmap with those of all before it, twice. More than so many take
// it seconds, and nobody has them.
constexpr size_t kMaxBitmapsInUse = 4096;
// QEMU reads each part of each snapshot's entry and of each header extension by itself, whenever it
// opens the image.
constexpr size_t kMaxSnapshotsInUse = 4096;
constexpr uint32_t kMaxExtensionsInUse = 4096;
// QEMU does not open images with smaller granularities.
constexpr uint32_t kMinGranularity = 512;

void SurveyBits(const ImageHeader& header, Survey& survey) {
  if (const uint64_t bits = header.compatible & ~kKnownCompatible; bits != 0) {
    survey.Add(
        ConcernKind::kOddity,
        StrCat("the header has compatible feature bits without a known meaning: ", Hex(bits)));
  }
  if (const uint64_t bits = header.autoclear & ~kKnownAutoclear; bits != 0) {
    survey.Add(
        ConcernKind::kOddity,
        StrCat("the header has autoclear feature bits without a known meaning: ", Hex(bits)));
  }
  if ((header.autoclear & kAutoclearRawDataFile) != 0 && !header.has_data_file()) {
    survey.Add(ConcernKind::kNotUnderstood,
               "the header says that the external data file is raw, but there is none");
  }
}

void SurveyReferences(const ImageHeader& header, Survey& survey) {
  if (header.has_data_file() && !header.data_file) {
    survey.Add(ConcernKind::kHiddenReference,
               "its data is in another file, which it does not name");
  }
  if (header.backing_format && !header.backing) {
    survey.Add(ConcernKind::kOddity, StrCat("it says that its backing file is of format '",
                                            *header.backing_format, "', but names none"));
  }
}

void SurveyHeader(const ImageHeader& header, Survey& survey) {
  if (header.size % kSectorSize != 0) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat("the disk has ", header.size,
                      " bytes, no whole number of sectors: programs cut it to ",
                      header.size / kSectorSize * kSectorSize, " or fill the last sector"));
  }
  if (header.version >= 3 && header.header_length != kHeaderLengthV3 &&
      header.header_length != sizeof(Header)) {
    survey.Add(ConcernKind::kOddity,
               StrCat("the header has ", header.header_length, " bytes, ",
                      header.header_length - sizeof(Header), " of them without a known meaning"));
  }
  if (header.encryption_header && header.crypt_method != kCryptLuks) {
    survey.Add(ConcernKind::kNotUnderstood,
               "it has an encryption header, but is not encrypted with LUKS");
  }
  if (header.extension_count > kMaxExtensionsInUse) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("it has ", header.extension_count,
                      " header extensions; programs take long to open it"));
  }
  SurveyBits(header, survey);
  SurveyReferences(header, survey);
}

// The bitmap's table has an entry for each cluster of it.
bool CoversDisk(const Bitmap& bitmap, const ImageHeader& header) {
  const uint64_t bits =
      header.size / bitmap.info.granularity + (header.size % bitmap.info.granularity != 0 ? 1 : 0);
  const uint64_t clusters =
      bits / (header.cluster_size * 8) + (bits % (header.cluster_size * 8) != 0 ? 1 : 0);
  return bitmap.table_size >= clusters;
}

void SurveyBitmap(const Bitmap& bitmap, const ImageHeader& header, Survey& survey) {
  const std::string& name = bitmap.info.name;
  survey.AddReaderMemory(DirtyBitmapMemory(header.size, bitmap.info.granularity) + 2 * name.size());
  if (bitmap.info.granularity < kMinGranularity) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("the bitmap '", name, "' has a bit for each ", bitmap.info.granularity,
                      " bytes, fewer than a sector"));
  } else if (!CoversDisk(bitmap, header)) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("the table of the bitmap '", name, "' has ", bitmap.table_size,
                      " entries, too few for the disk"));
  }
}

void SurveyBitmaps(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                   Survey& survey) {
  if (!header.bitmaps) return;
  survey.AddReaderMemory(header.bitmaps->size);
  if (header.bitmaps->count > kMaxBitmapsInUse) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("it has ", header.bitmaps->count,
                      " bitmaps; programs take long to open it, and nobody needs so many"));
  }
  const auto bitmaps = ReadBitmapDirectory(io, file, header);
  if (!bitmaps.ok()) {
    survey.Add(ConcernKind::kNotUnderstood, bitmaps.status().message());
    return;
  }
  // Tables are held one at a time.
  uint32_t largest = 0;
  for (const Bitmap& bitmap : *bitmaps) {
    SurveyBitmap(bitmap, header, survey);
    largest = std::max(largest, bitmap.table_size);
  }
  survey.AddReaderMemory(largest * uint64_t{sizeof(Be64)});
}

void SurveySnapshots(const SnapshotTable& table, const ImageHeader& header, Survey& survey) {
  if (table.snapshots.size() > kMaxSnapshotsInUse) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("it has ", table.snapshots.size(),
                      " snapshots; programs take long to open it, and nobody needs so many"));
  }
  survey.AddReaderMemory(2 * table.size + table.snapshots.size() * kSnapshotMemory);
  const auto other = std::find_if(
      table.snapshots.begin(), table.snapshots.end(),
      [&](const Snapshot& snapshot) { return snapshot.info.virtual_size != header.size; });
  if (other == table.snapshots.end()) return;
  survey.Add(ConcernKind::kOddity,
             StrCat("the disk of snapshot '", other->info.id, "' has ", other->info.virtual_size,
                    " bytes, the image's own ", header.size));
}

}  // namespace
}  // namespace qcow2

Status SurveyQcow2(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto header = qcow2::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  const auto snapshots = qcow2::ReadSnapshotTable(io, file, *header);
  if (!snapshots.ok()) return snapshots.status();

  qcow2::SurveyHeader(*header, survey);
  survey.AddReaderMemory(header->l1_size * uint64_t{sizeof(Be64)} + header->refcount_table_size +
                         header->extensions_size + header->cluster_size);
  qcow2::SurveySnapshots(*snapshots, *header, survey);
  qcow2::SurveyBitmaps(io, file, *header, survey);

  std::vector<qcow2::Region> regions = MetadataRegions(*header);
  if (snapshots->size > 0) {
    regions.push_back({.offset = header->snapshots_offset,
                       .size = snapshots->size,
                       .what = "the snapshot table"});
  }
  if (const Status places = CheckRegions(regions, file); !places.ok()) {
    survey.Add(ConcernKind::kNotUnderstood, places.message());
  }
  return OkStatus();
}

}  // namespace hotcell::guest
