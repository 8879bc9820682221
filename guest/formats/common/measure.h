// How large the file of a new image would be.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_MEASURE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_MEASURE_H_

#include <cstdint>
#include <optional>
#include <span>

#include "guest/formats/common/format.h"
#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// Bytes of the file.
struct Measurement {
  uint64_t required = 0;         // with what the source holds
  uint64_t fully_allocated = 0;  // with data everywhere
  // Bytes for the source's bitmaps, besides; nullopt: it can have none, or the new image cannot.
  std::optional<uint64_t> bitmaps;
};

// The disk that the new image is to hold.
class MeasuredDisk {
 public:
  virtual ~MeasuredDisk() = default;

  virtual uint64_t size() const = 0;  // bytes
  // The image that holds the disk now; nullptr: there is none, and the disk holds nothing.
  virtual const ImageDescription* source() const = 0;
  // Bytes of the clusters of this size, a power of two, that have data in them. A cluster that is
  // known to be zero has none.
  virtual Result<uint64_t> DataBytes(uint64_t cluster_size) = 0;
};

struct MeasureOptions {
  std::span<const FormatOption> options;
  bool has_backing = false;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_MEASURE_H_
