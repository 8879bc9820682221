#include "tools/hotcell/report/layers.h"

#include <cstring>
#include <optional>
#include <utility>

#include "hotcell/layers.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/suggest.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kAll = "all";

std::string ErrorText(int error) {
  return error == 0 ? std::string("not there") : std::string(std::strerror(error));
}

// The error for a name that is none.
absl::Status UnknownLayer(std::string_view name) {
  absl::Status status =
      absl::InvalidArgumentError(Cat("unknown confinement layer '", Escape(name), "'"));
  std::vector<std::string> names;
  for (const Layer layer : KnownLayers()) names.push_back(LayerName(layer));
  std::vector<std::string_view> views(names.begin(), names.end());
  views.push_back(kAll);
  const std::optional<std::string_view> nearest = Nearest(name, views);
  return WithRemedy(std::move(status), nearest.has_value()
                                           ? Cat("did you mean '", *nearest, "'?")
                                           : std::string("'hotcell policy' lists them"));
}

std::string Listed(const std::vector<LayerResult>& layers, LayerState state) {
  std::string out;
  for (const LayerResult& result : layers) {
    if (result.state != state) continue;
    if (!out.empty()) out += ", ";
    out += LayerName(result.layer);
    if (state != LayerState::kAchieved) Append(out, " (", ErrorText(result.error), ")");
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<Layer>> ParseLayers(std::string_view text) {
  std::vector<Layer> layers;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(name.size() == text.size() ? name.size() : name.size() + 1);
    if (name == kAll) {
      layers.insert(layers.end(), KnownLayers().begin(), KnownLayers().end());
      continue;
    }
    const std::optional<Layer> found = LayerFromName(name);
    if (!found.has_value()) return UnknownLayer(name);
    layers.push_back(*found);
  }
  return layers;
}

std::string DescribeLayers(const std::vector<LayerResult>& layers) {
  std::string out = Listed(layers, LayerState::kAchieved);
  if (out.empty()) out = "none";
  const std::string unavailable = Listed(layers, LayerState::kUnavailable);
  if (!unavailable.empty()) Append(out, "; unavailable: ", unavailable);
  const std::string failed = Listed(layers, LayerState::kFailed);
  if (!failed.empty()) Append(out, "; failed: ", failed);
  return out;
}

Json LayersJson(const std::vector<LayerResult>& layers) {
  Json achieved = Json::Array();
  Json unavailable = Json::Array();
  Json failed = Json::Array();
  for (const LayerResult& result : layers) {
    if (result.state == LayerState::kAchieved) {
      achieved.AppendString(LayerName(result.layer));
      continue;
    }
    Json entry = Json::Object();
    entry.SetString("layer", LayerName(result.layer)).SetString("error", ErrorText(result.error));
    (result.state == LayerState::kUnavailable ? unavailable : failed).Append(std::move(entry));
  }
  Json json = Json::Object();
  json.Set("achieved", std::move(achieved))
      .Set("unavailable", std::move(unavailable))
      .Set("failed", std::move(failed));
  return json;
}

}  // namespace hotcell::cli
