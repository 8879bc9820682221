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

std::vector<v1::Layer> KnownLayers() {
  std::vector<v1::Layer> layers;
  for (int i = v1::Layer_MIN; i <= v1::Layer_MAX; ++i) {
    if (i != v1::LAYER_UNSPECIFIED && v1::Layer_IsValid(i)) {
      layers.push_back(static_cast<v1::Layer>(i));
    }
  }
  return layers;
}

std::string Listed(const std::vector<v1::LayerResult>& layers, v1::LayerState state) {
  std::string out;
  for (const v1::LayerResult& result : layers) {
    if (result.state() != state) continue;
    if (!out.empty()) out += ", ";
    out += LayerName(result.layer());
    if (state != v1::LAYER_STATE_ACHIEVED) Append(out, " (", ErrorText(result.error()), ")");
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<v1::Layer>> ParseLayers(std::string_view text) {
  const std::vector<v1::Layer> known = KnownLayers();
  std::vector<std::string> names;
  names.reserve(known.size());
  for (const v1::Layer layer : known) names.push_back(LayerName(layer));
  std::vector<v1::Layer> layers;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(name.size() == text.size() ? name.size() : name.size() + 1);
    if (name == kAll) {
      layers.insert(layers.end(), known.begin(), known.end());
      continue;
    }
    std::optional<v1::Layer> found;
    for (size_t i = 0; i < known.size(); ++i) {
      if (names[i] == name) found = known[i];
    }
    if (!found.has_value()) {
      absl::Status status =
          absl::InvalidArgumentError(Cat("unknown confinement layer '", Escape(name), "'"));
      std::vector<std::string_view> views(names.begin(), names.end());
      views.push_back(kAll);
      const std::optional<std::string_view> nearest = Nearest(name, views);
      return WithRemedy(std::move(status), nearest.has_value()
                                               ? Cat("did you mean '", *nearest, "'?")
                                               : std::string("'hotcell policy' lists them"));
    }
    layers.push_back(*found);
  }
  return layers;
}

std::string DescribeLayers(const std::vector<v1::LayerResult>& layers) {
  std::string out = Listed(layers, v1::LAYER_STATE_ACHIEVED);
  if (out.empty()) out = "none";
  const std::string unavailable = Listed(layers, v1::LAYER_STATE_UNAVAILABLE);
  if (!unavailable.empty()) Append(out, "; unavailable: ", unavailable);
  const std::string failed = Listed(layers, v1::LAYER_STATE_FAILED);
  if (!failed.empty()) Append(out, "; failed: ", failed);
  return out;
}

Json LayersJson(const std::vector<v1::LayerResult>& layers) {
  Json achieved = Json::Array();
  Json unavailable = Json::Array();
  Json failed = Json::Array();
  for (const v1::LayerResult& result : layers) {
    if (result.state() == v1::LAYER_STATE_ACHIEVED) {
      achieved.AppendString(LayerName(result.layer()));
      continue;
    }
    Json entry = Json::Object();
    entry.SetString("layer", LayerName(result.layer()))
        .SetString("error", ErrorText(result.error()));
    (result.state() == v1::LAYER_STATE_UNAVAILABLE ? unavailable : failed).Append(std::move(entry));
  }
  Json json = Json::Object();
  json.Set("achieved", std::move(achieved))
      .Set("unavailable", std::move(unavailable))
      .Set("failed", std::move(failed));
  return json;
}

}  // namespace hotcell::cli
