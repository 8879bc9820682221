#include "guest/formats/qcow/on_disk.h"
#include "guest/formats/qcow/qcow.h"
#include "guest/formats/qcow/qcow_writer.h"

namespace hotcell::guest {
namespace {

// The magic is shared with qcow2.
int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  const auto header = LoadStruct<qcow::Header>(head);
  return header.magic == qcow::kMagic && header.version == qcow::kVersion ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kQcowFormat = {
    .name = "qcow", .probe = Probe, .open = OpenQcow, .create = CreateQcow, .survey = SurveyQcow};

}  // namespace hotcell::guest
