// A QED header, read and validated.
#ifndef HOTCELL_GUEST_FORMATS_QED_HEADER_H_
#define HOTCELL_GUEST_FORMATS_QED_HEADER_H_

#include <cstdint>
#include <optional>

#include "guest/formats/common/format.h"
#include "guest/formats/common/two_level_reader.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qed {

struct ImageHeader {
  TwoLevelLayout layout;
  uint64_t features = 0;
  std::optional<Reference> backing;
};

// Powers of two within the limits of the specification.
bool IsClusterSize(uint64_t bytes);
bool IsTableSize(uint64_t clusters);
// The most that two levels of tables map; bytes, at most 2^63 - 1.
uint64_t MaxImageSize(uint64_t cluster_size, uint64_t table_size);

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::qed

#endif  // HOTCELL_GUEST_FORMATS_QED_HEADER_H_
