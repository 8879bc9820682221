#include "guest/formats/raw/measure.h"

#include "base/alignment.h"
#include "formats_generated/raw_options.h"
#include "guest/formats/common/output_options.h"

namespace hotcell::guest {

Result<Measurement> MeasureRaw(MeasuredDisk& disk, const MeasureOptions& options) {
  constexpr uint64_t kSectorSize = 512;
  OptionParser parser(raw::kOptions, options.options);
  // Zeroes that take up space make the file no longer.
  (void)parser.Choice("preallocation");
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  const uint64_t size = AlignUp(disk.size(), kSectorSize);
  return Measurement{.required = size, .fully_allocated = size};
}

}  // namespace hotcell::guest
