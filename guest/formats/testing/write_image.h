// Driving a writer without a conversion.
#ifndef HOTCELL_GUEST_FORMATS_TESTING_WRITE_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_TESTING_WRITE_IMAGE_H_

#include <string>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A run whose data is one byte over and over.
struct TestRun {
  Run::Kind kind = Run::Kind::kZero;
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes
  char byte = 0;
};

// Writes the image to `path` of the host, each run as a chunk of its own; options.slot is set here.
Status WriteImage(const FormatDriver& driver, const std::string& path, CreateOptions options,
                  const std::vector<TestRun>& runs);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_TESTING_WRITE_IMAGE_H_
