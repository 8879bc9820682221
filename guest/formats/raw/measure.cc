#include "guest/formats/raw/measure.h"

#include <string_view>

#include "base/alignment.h"
#include "guest/formats/common/output_options.h"

namespace hotcell::guest {

Result<Measurement> MeasureRaw(MeasuredDisk& disk, const MeasureOptions& options) {
  constexpr uint64_t kSectorSize = 512;
  constexpr std::string_view kPreallocation[] = {"off", "falloc", "full"};
  std::string_view preallocation;
  OptionParser parser("raw", options.options);
  parser.Choice("preallocation", kPreallocation, &preallocation);
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  const uint64_t size = AlignUp(disk.size(), kSectorSize);
  return Measurement{.required = size, .fully_allocated = size};
}

}  // namespace hotcell::guest
