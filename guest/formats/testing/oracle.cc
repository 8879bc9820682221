#include "guest/formats/testing/oracle.h"

#include <fcntl.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/formats/common/chain.h"
#include "guest/formats/testing/disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using nlohmann::json;

NativeFiles::ReferenceOpener FilesOf(const TemporaryDirectory& directory) {
  return [&directory](uint32_t, ReferenceKind, std::string_view name) -> NativeFiles::Opened {
    const int fd = open(directory.path(std::string(name)).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {.status = IoStatus::kNotFound, .file = nullptr};
    return {.status = IoStatus::kOk, .file = std::make_unique<FdFile>(fd)};
  };
}

json BitmapsOf(const ImageDescription& description) {
  json bitmaps = json::array();
  for (const BitmapInfo& bitmap : *description.bitmaps) {
    bitmaps.push_back(
        {{"name", bitmap.name}, {"granularity", bitmap.granularity}, {"flags", bitmap.flags}});
  }
  return bitmaps;
}

json ValueOf(const Detail& detail, const ImageDescription& description,
             const std::string& own_name) {
  switch (detail.kind) {
    case Detail::Kind::kBoolean:
      return detail.number != 0;
    case Detail::Kind::kNumber:
      return detail.number;
    case Detail::Kind::kText:
    case Detail::Kind::kName:
    case Detail::Kind::kFile:
      return detail.text;
    case Detail::Kind::kOwnFile:
      return own_name;
    case Detail::Kind::kList:
      return json::array();
    case Detail::Kind::kDictionary:
      return json::object();
    case Detail::Kind::kBitmaps:
      return BitmapsOf(description);
  }
  return nullptr;
}

}  // namespace

json FormatSpecific(const ImageDescription& description, const std::string& own_name) {
  json data = json::object();
  // Those in which the next may lie. Only the last ever gets another element.
  std::vector<json*> open = {&data};
  for (const Detail& detail : description.details.all()) {
    open.resize(detail.depth + 1);
    json value = ValueOf(detail, description, own_name);
    json& in = *open.back();
    if (in.is_array()) {
      in.push_back(std::move(value));
      open.push_back(&in.back());
    } else {
      open.push_back(&(in[std::string(detail.key)] = std::move(value)));
    }
  }
  return {{"type", description.format}, {"data", std::move(data)}};
}

std::string CompareWithQemuImg(const TemporaryDirectory& directory, const std::string& name,
                               const std::string& format) {
  directory.Run("qemu-img convert " + (format.empty() ? "" : "-f " + format) + " -O raw " + name +
                " expected.raw");
  NativeFiles files;
  files.set_reference_opener(FilesOf(directory));
  const FileHandle image = files.AddPath(directory.path(name), O_RDONLY);
  NativeChannel io(files);
  const auto chain = ImageChain::Open(io, {.file = image, .format = format}, {});
  if (!chain.ok()) return chain.status().message();
  const auto difference =
      DiskReader(io, **chain).CompareWith(directory.path("expected.raw"), (*chain)->virtual_size());
  return difference.ok() ? *difference : difference.status().message();
}

json QemuImgInfo(const TemporaryDirectory& directory, const std::string& name,
                 const std::string& format) {
  json info = json::parse(directory.Run("qemu-img info -f " + format + " --output=json " + name));
  // From 8.0 on qemu-img tells of the file below as well.
  for (const char* key : {"filename", "actual-size", "full-backing-filename", "children"}) {
    info.erase(key);
  }
  return info;
}

json DescribedInfo(const TemporaryDirectory& directory, const std::string& name,
                   const std::string& format) {
  NativeFiles files;
  const FileHandle image = files.AddPath(directory.path(name), O_RDONLY);
  NativeChannel io(files);
  const auto reader = FindFormat(format)->open(io, image, {.describe_only = true});
  if (!reader.ok()) return {{"error", reader.status().message()}};
  const ImageDescription description = (*reader)->Describe();
  json info = {{"format", description.format},
               {"virtual-size", description.virtual_size},
               {"dirty-flag", description.dirty}};
  if (description.cluster_size != 0) info["cluster-size"] = description.cluster_size;
  if (description.encrypted) info["encrypted"] = true;
  if (description.backing) {
    info["backing-filename"] = description.backing->name;
    if (!description.backing->format.empty()) {
      info["backing-filename-format"] = description.backing->format;
    }
  }
  return info;
}

}  // namespace hotcell::guest
