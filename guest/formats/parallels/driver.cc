#include "guest/formats/parallels/on_disk.h"
#include "guest/formats/parallels/parallels.h"
#include "guest/formats/parallels/parallels_writer.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  using parallels::Header;
  const auto header = LoadStruct<Header>(head);
  const std::string_view magic(header.magic, sizeof(header.magic));
  const bool known = magic == parallels::kMagic || magic == parallels::kMagicExtended;
  return known && header.version == parallels::kVersion ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kParallelsFormat = {.name = "parallels",
                                                 .probe = Probe,
                                                 .open = OpenParallels,
                                                 .create = CreateParallels,
                                                 .check = CheckParallels,
                                                 .survey = SurveyParallels};

}  // namespace hotcell::guest
