#include <string_view>
#include <utility>
#include <vector>

#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/report/content_names.h"
#include "tools/hotcell/report/info_report.h"
#include "tools/hotcell/report/json.h"
#include "tools/hotcell/report/layers.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

Json SnapshotJson(const Snapshot& snapshot) {
  Json json = Json::Object();
  if (snapshot.icount) json.SetInteger("icount", static_cast<int64_t>(*snapshot.icount));
  json.SetNumber("vm-clock-nsec", snapshot.vm_clock_nsec % kNanosecondsPerSecond)
      .SetString("name", snapshot.name)
      .SetNumber("date-sec", snapshot.date_sec)
      .SetNumber("date-nsec", snapshot.date_nsec)
      .SetNumber("vm-clock-sec", snapshot.vm_clock_nsec / kNanosecondsPerSecond)
      .SetString("id", snapshot.id)
      .SetNumber("vm-state-size", snapshot.vm_state_size);
  return json;
}

// An array of what `make` makes of each of `items`, which are not copied.
template <typename Item, typename Make>
Json Each(const std::vector<Item>& items, Make make) {
  return Json::Array(items.size(), [&items, make](size_t i) { return make(items[i]); });
}

// The values of details. They refer to the report.
class DetailJson {
 public:
  explicit DetailJson(const InfoReport& report) : report_(report) {}

  Json Dictionary(const std::vector<Detail>& details) const {
    Json object = Json::Object();
    for (const Detail& detail : details) object.Set(detail.key, ValueOf(detail));
    return object;
  }

 private:
  Json List(const std::vector<Detail>& details) const {
    Json array = Json::Array();
    for (const Detail& detail : details) array.Append(ValueOf(detail));
    return array;
  }

  Json Bitmaps() const {
    return Each(report_.image.bitmaps, [self = *this](const Bitmap& bitmap) {
      return self.Dictionary(BitmapDetails(bitmap));
    });
  }

  Json ValueOf(const Detail& detail) const {
    return std::visit(Overloaded{
                          [](bool value) { return Json::Bool(value); },
                          [](uint64_t value) { return Json::Number(value); },
                          [](const std::string& value) { return Json::String(value); },
                          [](const Detail::Name& name) { return Json::String(name.bytes); },
                          [&](const Detail::File& file) {
                            return Json::String(FileName(report_.filename, file));
                          },
                          [&](Detail::List) { return List(detail.children); },
                          [&](Detail::Dictionary) { return Dictionary(detail.children); },
                          [&](Detail::Bitmaps) { return Bitmaps(); },
                      },
                      detail.value);
  }

  const InfoReport& report_;
};

Json OwnFields(const InfoReport& report) {
  Json references = Json::Array();
  for (const FoundReference& found : References(report.image)) {
    Json reference = Json::Object();
    reference.SetString("kind", found.kind).SetString("name", found.name);
    if (!found.format.empty()) reference.SetString("format", found.format);
    references.Append(std::move(reference));
  }
  Json contents = Json::Array();
  for (const std::string& content : ContentNames(report.image)) contents.AppendString(content);
  Json warnings = Json::Array();
  for (const std::string& warning : report.warnings) warnings.AppendString(warning);
  Json own = Json::Object();
  own.SetBool("encrypted", report.image.encrypted)
      .Set("references", std::move(references))
      .Set("contents", std::move(contents))
      .Set("warnings", std::move(warnings))
      .Set("confinement", LayersJson(report.layers));
  return own;
}

Json ImageJson(const InfoReport& report) {
  const ImageInfo& image = report.image;
  Json json = Json::Object();
  if (!image.backing_format.empty()) {
    json.SetString("backing-filename-format", image.backing_format);
  }
  if (!image.snapshots.empty()) json.Set("snapshots", Each(image.snapshots, SnapshotJson));
  json.SetNumber("virtual-size", image.virtual_size).SetString("filename", report.filename);
  if (image.cluster_size != 0) json.SetNumber("cluster-size", image.cluster_size);
  json.SetString("format", image.format).SetNumber("actual-size", report.actual_size);
  if (!image.details.empty()) {
    Json specific = Json::Object();
    specific.SetString("type", image.format)
        .Set("data", DetailJson(report).Dictionary(image.details));
    json.Set("format-specific", std::move(specific));
  }
  const bool has_backing = !image.backing_file.empty();
  if (has_backing) {
    json.SetString("full-backing-filename", FullBackingName(report.filename, image.backing_file));
  }
  if (image.encrypted) json.SetBool("encrypted", true);
  if (has_backing) json.SetString("backing-filename", image.backing_file);
  if (HasDirtyFlag(image.format)) {
    json.SetBool("dirty-flag", image.dirty);
  }
  if (!ActsAsQemuImg()) json.Set("hotcell", OwnFields(report));
  return json;
}

}  // namespace

Json InfoJson(const InfoReport& report) { return ImageJson(report); }

Json InfoChainJson(std::span<const InfoReport> reports) {
  Json array = Json::Array();
  for (const InfoReport& report : reports) array.Append(ImageJson(report));
  return array;
}

}  // namespace hotcell::cli
