// The header section of a VHDX file: which of two headers and of two region tables counts.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_HEADER_H_
#define HOTCELL_GUEST_FORMATS_VHDX_HEADER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/formats/common/file_region.h"
#include "guest/formats/vhdx/log.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::vhdx {

struct CurrentHeader {
  Header header;
  std::vector<std::string> warnings;  // of the other one
  // How the two differ where they should not, a clause each: programs may use either.
  std::vector<std::string> differences;
};
// 2.2.2: the valid one of the higher sequence number. Version and place of the log are right.
Result<CurrentHeader> ReadCurrentHeader(IoChannel& io, const FileHandle& file);

struct Region {
  uint64_t offset = 0;  // bytes
  uint64_t size = 0;    // bytes
};
struct Regions {
  Region bat;
  Region metadata;
  std::vector<FileRegion> all;           // those of which nothing is known too
  std::vector<FileRegion> unknown;       // of `all`
  std::vector<std::string> warnings;     // of the other table
  std::vector<std::string> differences;  // as in CurrentHeader
};
// 2.2.3: as it is after the log was replayed.
Result<Regions> ReadRegions(IoChannel& io, LoggedFile& file);

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_HEADER_H_
