// What `hotcell convert` was asked for: the engine's request, and what only the command knows.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_CONVERT_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_CONVERT_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hotcell/engine.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/target_backing.h"
#include "tools/hotcell/options/verdict_options.h"

namespace hotcell::cli {

// The command line of `hotcell convert`.
struct ConvertOptions {
  std::vector<std::string> source_paths;  // of request.source and request.more_sources
  std::string target_path;
  // All but the file descriptors, the target's backing image, JobOptions and InspectFirst.
  ConvertRequest request;
  TargetBacking backing;  // -B, -F
  VerdictOptions verdict;
  bool inspect = false;            // --inspect
  bool image_opts = false;         // --image-opts
  bool target_image_opts = false;  // --target-image-opts
  bool has_source_format = false;  // -f
  bool has_target_format = false;  // -O
  bool has_sparse_size = false;    // -S
  bool force_share = false;        // -U: whoever writes to the inputs may go on
  bool progress = false;
  bool quiet = false;
  bool stats = false;
  bool list_target_options = false;  // -o help
  CommonOptions common;
};

const OptionTable& ConvertLine();

// `options.common.format` and `.help` are valid also when this fails.
absl::Status ParseConvertOptions(int argc, char** argv, ConvertOptions& options);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_CONVERT_OPTIONS_H_
