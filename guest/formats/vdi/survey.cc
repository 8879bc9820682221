#include "guest/formats/common/survey.h"

#include <string>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/vdi/on_disk.h"
#include "guest/formats/vdi/vdi.h"

namespace hotcell::guest {
namespace vdi {
namespace {

// The header goes at most as far as its last field, and at least to the UUIDs.
constexpr uint32_t kLongestHeader = sizeof(Header) - offsetof(Header, header_size);

void SurveyHeader(const Header& header, Survey& survey) {
  if (header.disk_size % kSectorSize != 0) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat("the disk has ", uint64_t{header.disk_size},
                      " bytes, no whole number of sectors: some programs end it there, others "
                      "fill the last sector with what is in the file"));
  }
  if (header.header_size < kHeaderSize || header.header_size > kLongestHeader) {
    survey.Add(ConcernKind::kOddity,
               StrCat("the header has ", uint32_t{header.header_size}, " bytes; ", kHeaderSize,
                      " to ", kLongestHeader, " are usual"));
  }
  if (header.image_flags != 0) {
    survey.Add(ConcernKind::kOddity,
               StrCat("the header has image flags: ", Hex(header.image_flags)));
  }
  const uint64_t needed = DivideUp(header.disk_size, kBlockSize);
  if (header.blocks_in_image != needed) {
    survey.Add(ConcernKind::kOddity, StrCat("the block map has ", uint32_t{header.blocks_in_image},
                                            " entries for a disk of ", needed, " blocks"));
  }
}

}  // namespace
}  // namespace vdi

Status SurveyVdi(IoChannel& io, const FileHandle& file, Survey& survey) {
  vdi::Header header;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&header, 1)), "vdi: the header"));
  vdi::SurveyHeader(header, survey);
  survey.AddReaderMemory(header.blocks_in_image * uint64_t{sizeof(uint32_t)});
  return OkStatus();
}

}  // namespace hotcell::guest
