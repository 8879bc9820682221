// What `hotcell run` was asked for: the engine's request, and what only the command knows.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_RUN_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_RUN_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "hotcell/engine.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"

namespace hotcell::cli {

// The command line of `hotcell run`.
struct RunOptions {
  std::string program_path;
  std::string serial_input_path;  // "-": standard input; empty: none
  std::string input_path;         // empty: none
  std::string output_path;        // empty: none
  // All but the bytes of files, the callbacks and JobOptions.
  RunRequest request;
  bool has_entry = false;  // --entry was given
  bool show_registers = false;
  bool show_vga = false;
  bool show_stats = false;
  CommonOptions common;
};

const OptionTable& RunLine();

// `options.common.help` is valid also when this fails.
absl::Status ParseRunOptions(int argc, char** argv, RunOptions& options);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_RUN_OPTIONS_H_
