// `--image-opts`: an image described by keys in place of a path, in the simple forms that scripts
// use: a format over a file.
#ifndef HOTCELL_TOOLS_HOTCELL_IMAGE_OPTS_H_
#define HOTCELL_TOOLS_HOTCELL_IMAGE_OPTS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hotcell::cli {

struct ImageOpts {
  std::string path;
  std::string format;  // empty: probe
};

// "driver=qcow2,file.driver=file,file.filename=x.qcow2", with driver and file.driver optional, or
// "driver=file,filename=x" and "filename=x", which are raw and probed as in qemu-img. Values double
// their commas. Other keys and drivers are refused by name.
absl::StatusOr<ImageOpts> ParseImageOpts(std::string_view text);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_IMAGE_OPTS_H_
