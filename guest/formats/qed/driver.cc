#include "guest/formats/qed/on_disk.h"
#include "guest/formats/qed/qed.h"
#include "guest/formats/qed/qed_writer.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  return LoadStruct<qed::Header>(head).magic == qed::kMagic ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kQedFormat = {.name = "qed",
                                           .probe = Probe,
                                           .open = OpenQed,
                                           .create = CreateQed,
                                           .check = CheckQed,
                                           .survey = SurveyQed};

}  // namespace hotcell::guest
