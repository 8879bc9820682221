#include "guest/formats/common/survey.h"

#include "base/text.h"
#include "guest/formats/bochs/bochs.h"
#include "guest/formats/bochs/header.h"

namespace hotcell::guest {

Status SurveyBochs(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto header = bochs::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  survey.AddReaderMemory(header->catalog_entries * uint64_t{sizeof(Le32)});
  if (header->virtual_size % bochs::kSectorSize != 0) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat("the disk has ", header->virtual_size,
                      " bytes, no whole number of sectors: programs cut it to ",
                      header->virtual_size / bochs::kSectorSize * bochs::kSectorSize,
                      " or fill the last sector"));
  }
  return OkStatus();
}

}  // namespace hotcell::guest
