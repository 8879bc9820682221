// Writing into an image that exists already, for `convert -n`.
#ifndef HOTCELL_TOOLS_HOTCELL_TARGET_EXISTING_IMAGE_H_
#define HOTCELL_TOOLS_HOTCELL_TARGET_EXISTING_IMAGE_H_

#include <string>

#include "absl/status/status.h"
#include "hotcell/engine.h"

namespace hotcell::cli {

// `convert -n` into a qcow2 image that exists, which services make with `create` before. A
// conversion writes all of the disk, so that of an image which has nothing but the disk only its
// options count: it is made anew with those, and has to have a disk of the same size. A guest looks
// at it. Errors: it has snapshots, bitmaps, a backing file, a data file, or is encrypted, and what
// Engine::Info() says.
//
// Precondition: request.target_exists, which is false afterwards.
absl::Status MakeAnew(const Engine& engine, const std::string& path, const JobOptions& options,
                      ConvertRequest& request);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TARGET_EXISTING_IMAGE_H_
