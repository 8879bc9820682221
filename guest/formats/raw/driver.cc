#include "guest/formats/raw/measure.h"
#include "guest/formats/raw/raw.h"
#include "guest/formats/raw/raw_writer.h"
#include "guest/formats/raw/resize.h"
#include "guest/formats/signatures/disk_marks.h"

namespace hotcell::guest {
namespace {

// Anything can be raw. A partition table is what a disk starts with, and tells more than bytes
// elsewhere that look like a file of another kind. The header of a GPT has no protective MBR before
// it in some cases.
int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  return HasPartitionTable(head) || HasGpt(head) ? 5 : 1;
}

}  // namespace

constinit const FormatDriver kRawFormat = {.name = "raw",
                                           .probe = Probe,
                                           .open = OpenRaw,
                                           .create = CreateRaw,
                                           .measure = MeasureRaw,
                                           .resize = ResizeRaw};

}  // namespace hotcell::guest
