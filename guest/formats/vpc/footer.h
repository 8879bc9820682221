// The footer of a VHD file and its copy at the file's start.
#ifndef HOTCELL_GUEST_FORMATS_VPC_FOOTER_H_
#define HOTCELL_GUEST_FORMATS_VPC_FOOTER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest/formats/vpc/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::vpc {

bool HasCookie(const Footer& footer);
bool HasRightChecksum(const Footer& footer);

// What the first and the last sector hold, as far as they have the cookie.
struct Footers {
  std::optional<Footer> first;  // the copy, of disks that are not fixed
  std::optional<Footer> last;
  // Where the last one begins; without one, where the file ends. It has less than a sector where
  // Virtual PC before 2004 wrote it: 511 bytes.
  uint64_t end = 0;
  // There is one in the last 512 bytes and another in the last, shorter sector.
  bool two_ends = false;
};
Result<Footers> ReadFooters(IoChannel& io, const FileHandle& file);

// Whether both describe the same disk, but for what a program in the middle of its work may have
// changed in one only.
bool SameDisk(Footer a, Footer b);

struct ChosenFooter {
  Footer footer;
  std::vector<std::string> warnings;
};
// The footer that counts: the copy at the start, as in QEMU, or else the one at the end. One whose
// checksum is wrong counts only when there is no other, and is an error then.
Result<ChosenFooter> ChooseFooter(const Footers& footers);

// Bytes: by the geometry or by current_size, as the program that made the image meant it.
uint64_t VirtualSize(const Footer& footer);

// "CHS Calculation" of the specification.
struct Geometry {
  uint16_t cylinders = 0;
  uint8_t heads = 0;
  uint8_t sectors_per_cylinder = 0;

  uint64_t sectors() const { return uint64_t{cylinders} * heads * sectors_per_cylinder; }
};
inline constexpr Geometry kMaxGeometry = {65535, 16, 255};
static_assert(kMaxGeometry.cylinders * uint64_t{16} * 255 == kMaxGeometrySectors);
Geometry CalculateGeometry(uint64_t sectors);
Geometry GeometryOf(const Footer& footer);
// The smallest geometry of at least so many sectors; the maximum one when there is none.
Geometry GeometryToHold(uint64_t sectors);

// "01234567-89ab-cdef-0123-456789abcdef"; empty when all bytes are zero.
std::string FormatUuid(std::span<const uint8_t, 16> uuid);

}  // namespace hotcell::guest::vpc

#endif  // HOTCELL_GUEST_FORMATS_VPC_FOOTER_H_
