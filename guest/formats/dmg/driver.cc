#include "guest/formats/dmg/dmg.h"
#include "guest/formats/dmg/on_disk.h"
#include "guest/formats/dmg/trailer.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  return text.starts_with(dmg::kEncryptedMagic) ? 100 : 0;
}

// Less sure than a magic number at the start, and more than what the first chunk looks like on its
// own, which may be a bzip2 stream.
int ProbeTail(std::span<const std::byte> tail, uint64_t file_size) {
  const auto trailer = LoadStruct<dmg::Trailer>(tail);
  const bool is_trailer =
      trailer.signature == dmg::kTrailerSignature && trailer.header_size == sizeof(dmg::Trailer);
  return is_trailer && dmg::ReachesTrailer(trailer, file_size - sizeof(trailer)) ? 60 : 0;
}

}  // namespace

constinit const FormatDriver kDmgFormat = {.name = "dmg",
                                           .probe = Probe,
                                           .open = OpenDmg,
                                           .probe_tail = ProbeTail,
                                           .accounts_for_file = DmgAccountsForFile,
                                           .survey = SurveyDmg};

}  // namespace hotcell::guest
