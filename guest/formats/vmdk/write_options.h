// The `-o` options of VMDK output.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_WRITE_OPTIONS_H_
#define HOTCELL_GUEST_FORMATS_VMDK_WRITE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "guest/formats/common/writer.h"

namespace hotcell::guest::vmdk {

enum class Subformat : uint8_t {
  kMonolithicSparse,
  kMonolithicFlat,
  kTwoGbMaxExtentSparse,
  kTwoGbMaxExtentFlat,
  kStreamOptimized,
};

struct WriteOptions {
  Subformat subformat = Subformat::kMonolithicSparse;
  std::string create_type;  // its name
  std::string adapter_type;
  std::string hardware_version;
  std::string tools_version;
  bool zeroed_grain = false;
};

// The options, or the first that is unknown, malformed, not done, or at odds with another.
Result<WriteOptions> ParseWriteOptions(const CreateOptions& options);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_WRITE_OPTIONS_H_
