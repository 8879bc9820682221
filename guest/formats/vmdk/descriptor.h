// The text that says what a disk consists of: "The Descriptor File" in VMware's "Virtual Disk
// Format 5.0".
#ifndef HOTCELL_GUEST_FORMATS_VMDK_DESCRIPTOR_H_
#define HOTCELL_GUEST_FORMATS_VMDK_DESCRIPTOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/runtime/common/status.h"

namespace hotcell::guest::vmdk {

// A line of the "Extent description".
struct ExtentLine {
  std::string access;    // "RW", "RDONLY" or "NOACCESS"
  uint64_t sectors = 0;  // not 0; the sum of all lines does not overflow, in bytes
  std::string type;      // "SPARSE", "FLAT", "ZERO", "VMFS", ...
  std::string name;      // of the file, bytes as they stand in the line; empty for ZERO
  uint64_t offset = 0;   // of FLAT: where the extent begins in the file, sectors
};

struct Descriptor {
  std::optional<uint32_t> cid;
  std::optional<uint32_t> parent_cid;
  std::string create_type;  // empty: not given
  std::optional<std::string> parent_hint;
  // VirtualBox's name for the parent, the only one that its differencing images have; empty: none.
  std::string parent_uuid;
  std::vector<ExtentLine> extents;
};

// More lines than this are refused: each is a file, and a job has few.
inline constexpr size_t kMaxExtents = 240;

// `text` ends at its first NUL. Lines that are not known are skipped, as are comments.
Result<Descriptor> ParseDescriptor(std::string_view text);

// Where the text ends at a NUL byte and something else than NULs follows; npos: nowhere. qemu
// writes a new content id into the old text: when it has fewer digits, the last bytes of the old
// text stay behind the NUL, and repeat those before it.
size_t FindHiddenText(std::string_view text);

// A content ID as descriptors have it: eight hexadecimal digits.
std::string CidText(uint32_t cid);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_DESCRIPTOR_H_
