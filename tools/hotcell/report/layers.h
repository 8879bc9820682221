// Confinement layers as users name them.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_LAYERS_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_LAYERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hotcell/layers.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {

// Layers by name, separated by commas; "all" is each of them. Errors name the unknown one and the
// nearest known one.
absl::StatusOr<std::vector<Layer>> ParseLayers(std::string_view text);

// "no-new-privs, seccomp; unavailable: landlock (Function not implemented)".
std::string DescribeLayers(const std::vector<LayerResult>& layers);

// {"achieved": [names], "unavailable": [{"layer", "error"}], "failed": [...]}.
Json LayersJson(const std::vector<LayerResult>& layers);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_LAYERS_H_
