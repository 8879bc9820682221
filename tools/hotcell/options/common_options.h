// Options that every command which runs a guest has: limits, confinement, and where the worker and
// KVM are; and those of the commands that open what images refer to.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_COMMON_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_COMMON_OPTIONS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/options/option.h"

namespace hotcell::cli {

struct CommonOptions {
  Limits limits;
  std::vector<Layer> required_layers;
  bool fail_if_changed = false;  // as JobOptions has it
  ReferencePolicy references;
  EngineOptions engine;
  OutputFormat format = OutputFormat::kHuman;
  bool help = false;

  // What the engine wants to know of all this.
  JobOptions Job() const;
  // Lives as long as the process: results are out before anybody waits for the kernel to destroy
  // the VM of the last job, which ReapWorkers() does.
  absl::StatusOr<const Engine*> StartEngine() const;
};

// Waits for the workers of StartEngine()'s engine that are dying. To be called last thing: in a
// container, whatever is process 1 there may reap nothing, and zombies count against its limit of
// processes.
void ReapWorkers();

// --memory, --timeout, --limit, --require and --fail-if-changed.
std::span<const Option<CommonOptions>> LimitOptions();
// --worker and --kvm.
std::span<const Option<CommonOptions>> ProgramOptions();
// --backing and --follow-references.
std::span<const Option<CommonOptions>> ReferenceOptions();
// -h.
std::span<const Option<CommonOptions>> HelpOption();

// "human" or "json".
absl::StatusOr<OutputFormat> ParseOutputFormat(std::string_view text);

// "none", "writeback", ..., of the cache that the option is about: "cache" or "source cache".
absl::StatusOr<CacheMode> ParseCacheMode(std::string_view text, std::string_view what);

// NAME=FILE of --backing.
absl::Status AddBacking(std::string_view text, ReferencePolicy& references);

// How many vCPUs work.
absl::StatusOr<uint32_t> ParseLanes(std::string_view text);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_COMMON_OPTIONS_H_
