#include "guest/formats/bochs/bochs.h"
#include "guest/formats/bochs/header.h"
#include "guest/formats/bochs/on_disk.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  return bochs::IsGrowingImage(LoadStruct<bochs::Header>(head)) ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kBochsFormat = {
    .name = "bochs", .probe = Probe, .open = OpenBochs, .survey = SurveyBochs};

}  // namespace hotcell::guest
