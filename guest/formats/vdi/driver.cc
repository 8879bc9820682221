#include "guest/formats/vdi/on_disk.h"
#include "guest/formats/vdi/vdi.h"
#include "guest/formats/vdi/vdi_writer.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  return LoadStruct<Le32>(head, vdi::kSignatureOffset) == vdi::kSignature ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kVdiFormat = {.name = "vdi",
                                           .probe = Probe,
                                           .open = OpenVdi,
                                           .create = CreateVdi,
                                           .check = CheckVdi,
                                           .survey = SurveyVdi};

}  // namespace hotcell::guest
