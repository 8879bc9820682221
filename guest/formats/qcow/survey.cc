#include "guest/formats/common/survey.h"

#include <string>

#include "base/text.h"
#include "guest/formats/common/two_level_reader.h"
#include "guest/formats/qcow/on_disk.h"
#include "guest/formats/qcow/qcow.h"

namespace hotcell::guest {
namespace qcow {
namespace {

// L2 tables that QEMU keeps.
constexpr uint64_t kCachedTables = 16;

void SurveyHeader(const Header& header, Survey& survey) {
  const uint64_t size = header.size;
  if (size % kSectorSize != 0) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat("the disk has ", size,
                      " bytes, no whole number of sectors: programs cut it "
                      "to ",
                      size / kSectorSize * kSectorSize, " or fill the last sector"));
  }
}

}  // namespace
}  // namespace qcow

Status SurveyQcow(IoChannel& io, const FileHandle& file, Survey& survey) {
  qcow::Header header;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&header, 1)), "qcow: the header"));
  qcow::SurveyHeader(header, survey);

  const TwoLevelLayout layout = {.format = "qcow",
                                 .file = file,
                                 .virtual_size = header.size,
                                 .cluster_size = uint64_t{1} << header.cluster_bits,
                                 .l2_entries = uint64_t{1} << header.l2_bits,
                                 .l1_offset = header.l1_table_offset,
                                 .header = {}};
  const uint64_t l1_size = layout.l1_entries() * sizeof(Be64);
  survey.AddReaderMemory(l1_size + qcow::kCachedTables * layout.l2_bytes() +
                         2 * layout.cluster_size);
  const FileRegion regions[] = {
      {.offset = 0, .size = sizeof(qcow::Header), .what = "the header"},
      {.offset = layout.l1_offset, .size = l1_size, .what = "the L1 table"}};
  if (const Status places = CheckRegions("qcow", regions, file.size); !places.ok()) {
    survey.Add(ConcernKind::kNotUnderstood, places.message());
  }
  return OkStatus();
}

}  // namespace hotcell::guest
