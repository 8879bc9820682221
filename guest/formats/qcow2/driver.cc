#include "guest/formats/qcow2/checker.h"
#include "guest/formats/qcow2/measure.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/formats/qcow2/qcow2_writer.h"
#include "guest/formats/qcow2/rebase.h"
#include "guest/formats/qcow2/resize.h"

namespace hotcell::guest {
namespace {

// The magic is shared with qcow version 1, another format.
int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  const auto magic = LoadStruct<Be32>(head);
  const auto version = LoadStruct<Be32>(head, sizeof(Be32));
  return magic == qcow2::kMagic && version >= 2 ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kQcow2Format = {.name = "qcow2",
                                             .probe = Probe,
                                             .open = OpenQcow2,
                                             .create = CreateQcow2,
                                             .check = CheckQcow2,
                                             .measure = MeasureQcow2,
                                             .survey = SurveyQcow2,
                                             .resize = ResizeQcow2,
                                             .rebase = RebaseQcow2};

}  // namespace hotcell::guest
