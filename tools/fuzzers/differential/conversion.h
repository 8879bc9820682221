// Our conversions and other people's programs, in a directory.
#ifndef HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_CONVERSION_H_
#define HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_CONVERSION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "tools/fuzzers/differential/image_choice.h"

namespace hotcell::fuzz {

struct Conversion {
  std::string directory;
  std::string source;  // names in the directory
  std::string source_format;
  std::string target;
  ImageChoice target_choice = {.format = "raw"};
  uint64_t sparse_size = 4096;
  bool copy_offload = false;
  uint32_t lanes = 1;
  std::optional<std::string> snapshot = {};
};

// What each returns is empty, or says what went wrong.
std::string Convert(const Conversion& conversion);
// Our check of an image that should have nothing wrong; qemu leaves some space unused.
std::string CheckImage(const std::string& directory, const std::string& name,
                       const std::string& format, bool leaks_allowed);
// A shell command in the directory, which must exit with 0.
std::string RunCommand(const std::string& directory, const std::string& command);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_CONVERSION_H_
