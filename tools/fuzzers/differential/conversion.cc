#include "tools/fuzzers/differential/conversion.h"

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"
#include "guest/ops/convert.h"
#include "guest/runtime/native/native_lanes.h"

namespace hotcell::fuzz {
namespace {

using guest::FdFile;
using guest::FileHandle;
using guest::IoStatus;
using guest::NativeFiles;

constexpr size_t kBuffers = 8;
constexpr size_t kBufferSize = 2 << 20;
constexpr uint64_t kMaxVirtualSize = 1 << 30;

// Every file that an image names lies beside it.
NativeFiles::ReferenceOpener FilesOf(const std::string& directory) {
  return [directory](uint32_t, guest::ReferenceKind, std::string_view name) -> NativeFiles::Opened {
    const std::string path = directory + "/" + std::filesystem::path(name).filename().string();
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {.status = IoStatus::kNotFound};
    return {.status = IoStatus::kOk, .file = std::make_unique<FdFile>(fd)};
  };
}

// The names that the VMDK writer gives to the extents of "image.vmdk".
std::string ExtentName(const Conversion& conversion, uint32_t number) {
  const std::string stem = std::filesystem::path(conversion.target).stem();
  std::string subformat;
  for (const auto& [key, value] : conversion.target_choice.options) {
    if (key == "subformat") subformat = value;
  }
  if (subformat == "monolithicFlat") return stem + "-flat.vmdk";
  char name[64];
  std::snprintf(name, sizeof(name), "%s-%c%03u.vmdk", stem.c_str(),
                subformat == "twoGbMaxExtentFlat" ? 'f' : 's', number + 1);
  return name;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<guest::FormatOption> OptionsOf(const ImageChoice& choice) {
  std::vector<guest::FormatOption> options;
  for (const auto& [key, value] : choice.options) options.push_back({.key = key, .value = value});
  return options;
}

}  // namespace

std::string Convert(const Conversion& conversion) {
  NativeFiles files;
  files.set_reference_opener(FilesOf(conversion.directory));
  files.set_extent_file_opener([&](uint32_t number) {
    const std::string path = conversion.directory + "/" + ExtentName(conversion, number);
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd < 0 ? nullptr : std::make_unique<FdFile>(fd);
  });
  const FileHandle source = files.AddPath(conversion.directory + "/" + conversion.source, O_RDONLY);
  const FileHandle target =
      files.AddPath(conversion.directory + "/" + conversion.target, O_RDWR | O_CREAT | O_TRUNC);
  if (source.slot == NativeFiles::kNoSlot || target.slot == NativeFiles::kNoSlot) {
    return "cannot open " + conversion.source + " or " + conversion.target;
  }
  guest::NativeLanes lanes(files, conversion.lanes, kBuffers, kBufferSize);
  const auto summary =
      guest::Convert(lanes, {.limits = {.max_virtual_size = kMaxVirtualSize},
                             .source = {{.file = source, .format = conversion.source_format}},
                             .snapshot = {.id_or_name = conversion.snapshot},
                             .target = {.slot = target.slot,
                                        .name = conversion.target,
                                        .format = conversion.target_choice.format,
                                        .options = OptionsOf(conversion.target_choice),
                                        .compress = conversion.target_choice.compress},
                             .sparse_size = conversion.sparse_size,
                             .copy_offload = conversion.copy_offload});
  if (summary.ok()) return {};
  return "converting " + conversion.source + " to " + conversion.target + ": " +
         summary.status().message();
}

std::string CheckImage(const std::string& directory, const std::string& name,
                       const std::string& format, bool leaks_allowed) {
  const guest::FormatDriver* const driver = guest::FindFormat(format);
  if (driver == nullptr || driver->check == nullptr) return {};
  NativeFiles files;
  files.set_reference_opener(FilesOf(directory));
  const FileHandle image = files.AddPath(directory + "/" + name, O_RDONLY);
  guest::NativeChannel io(files);
  const auto result = driver->check(io, image, {});
  if (!result.ok()) return "our check: " + result.status().message();
  const uint64_t leaks = leaks_allowed ? 0 : result->leaks;
  if (result->corruptions + leaks + result->check_errors == 0) return {};
  return "our check: " + result->findings.front().text;
}

std::string RunCommand(const std::string& directory, const std::string& command) {
  const std::string script = "cd '" + directory + "' && { " + command + "; } >output 2>&1";
  if (std::system(script.c_str()) == 0) return {};
  return command + ": " + ReadAll(directory + "/output");
}

}  // namespace hotcell::fuzz
