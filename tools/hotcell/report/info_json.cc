#include <string_view>
#include <utility>
#include <vector>

#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/report/info_report.h"
#include "tools/hotcell/report/json.h"
#include "tools/hotcell/report/layers.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

Json SnapshotJson(const Snapshot& snapshot) {
  Json json = Json::Object();
  if (snapshot.icount) json.SetNumber("icount", *snapshot.icount);
  json.SetNumber("vm-clock-nsec", snapshot.vm_clock_nsec % kNanosecondsPerSecond)
      .SetString("name", snapshot.name)
      .SetNumber("date-sec", snapshot.date_sec)
      .SetNumber("date-nsec", snapshot.date_nsec)
      .SetNumber("vm-clock-sec", snapshot.vm_clock_nsec / kNanosecondsPerSecond)
      .SetString("id", snapshot.id)
      .SetNumber("vm-state-size", snapshot.vm_state_size);
  return json;
}

Json BitmapJson(const Bitmap& bitmap) {
  Json flags = Json::Array();
  for (const std::string& flag : bitmap.flags) flags.AppendString(flag);
  Json json = Json::Object();
  json.Set("flags", std::move(flags))
      .SetString("name", bitmap.name)
      .SetNumber("granularity", bitmap.granularity);
  return json;
}

// An array of what `make` makes of each of `items`, which are not copied.
template <typename Item>
void SetEach(Json& json, std::string_view key, const std::vector<Item>& items,
             Json (*make)(const Item&)) {
  json.SetArray(key, items.size(), [&items, make](size_t i) { return make(items[i]); });
}

Json Qcow2Json(const Qcow2Info& qcow2) {
  const bool version3 = qcow2.compat != "0.10";
  Json data = Json::Object();
  data.SetString("compat", qcow2.compat).SetString("compression-type", qcow2.compression_type);
  if (version3) data.SetBool("lazy-refcounts", qcow2.lazy_refcounts);
  if (!qcow2.bitmaps.empty()) SetEach(data, "bitmaps", qcow2.bitmaps, BitmapJson);
  data.SetNumber("refcount-bits", qcow2.refcount_bits);
  if (qcow2.data_file) {
    data.SetString("data-file", *qcow2.data_file).SetBool("data-file-raw", qcow2.data_file_raw);
  }
  if (!qcow2.encryption.empty()) {
    Json encrypt = Json::Object();
    encrypt.SetString("format", qcow2.encryption);
    data.Set("encrypt", std::move(encrypt));
  }
  if (version3) {
    data.SetBool("corrupt", qcow2.corrupt).SetBool("extended-l2", qcow2.extended_l2);
  }
  Json specific = Json::Object();
  specific.SetString("type", "qcow2").Set("data", std::move(data));
  return specific;
}

Json VmdkJson(const VmdkInfo& vmdk, std::string_view image) {
  Json extents = Json::Array();
  for (const VmdkExtentFile& extent : vmdk.extents) {
    Json json = Json::Object();
    if (extent.compressed) json.SetBool("compressed", true);
    json.SetNumber("virtual-size", extent.virtual_size)
        .SetString("filename", ExtentName(image, extent));
    if (extent.cluster_size != 0) json.SetNumber("cluster-size", extent.cluster_size);
    json.SetString("format", extent.format);
    extents.Append(std::move(json));
  }
  Json data = Json::Object();
  data.SetNumber("cid", vmdk.cid)
      .SetNumber("parent-cid", vmdk.parent_cid)
      .SetString("create-type", vmdk.create_type)
      .Set("extents", std::move(extents));
  Json specific = Json::Object();
  specific.SetString("type", "vmdk").Set("data", std::move(data));
  return specific;
}

Json OwnFields(const InfoReport& report) {
  Json references = Json::Array();
  for (const FoundReference& found : References(report.image)) {
    Json reference = Json::Object();
    reference.SetString("kind", found.kind).SetString("name", found.name);
    if (!found.format.empty()) reference.SetString("format", found.format);
    references.Append(std::move(reference));
  }
  Json contents = Json::Array();
  for (const std::string& content : report.image.contents) contents.AppendString(content);
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
  if (!image.snapshots.empty()) SetEach(json, "snapshots", image.snapshots, SnapshotJson);
  json.SetNumber("virtual-size", image.virtual_size).SetString("filename", report.filename);
  if (image.cluster_size != 0) json.SetNumber("cluster-size", image.cluster_size);
  json.SetString("format", image.format).SetNumber("actual-size", report.actual_size);
  if (image.qcow2) json.Set("format-specific", Qcow2Json(*image.qcow2));
  if (image.vmdk) json.Set("format-specific", VmdkJson(*image.vmdk, report.filename));
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
