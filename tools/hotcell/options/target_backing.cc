#include "tools/hotcell/options/target_backing.h"

#include "hotcell/failure.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/report/creation_text.h"
#include "tools/hotcell/report/info_report.h"

namespace hotcell::cli {
namespace {

// Neither of an option less than its commas say; two commas are one of a value.
bool IsOptionList(std::string_view text) {
  if (text.empty() || text.front() == ',') return false;
  const size_t last = text.find_last_not_of(',');
  return (text.size() - 1 - last) % 2 == 0;
}

}  // namespace

absl::Status AddTargetOptions(std::string_view text, TargetOptions& options, bool& help) {
  if (!IsOptionList(text)) {
    return absl::InvalidArgumentError(Cat("Invalid option list: ", Escape(text)));
  }
  if (text == "help" || text == "?") {
    help = true;
    return absl::OkStatus();
  }
  auto pairs = ParseKeyValues(text);
  if (!pairs.ok()) return pairs.status();
  for (auto& pair : *pairs) {
    help = help || pair.first == "help" || pair.first == "?";
    options.push_back(std::move(pair));
  }
  return absl::OkStatus();
}

std::optional<std::string> TakeOption(TargetOptions& options, std::string_view key) {
  std::optional<std::string> value;
  for (const auto& [name, text] : options) {
    if (name == key) value = text;
  }
  std::erase_if(options, [&](const auto& option) { return option.first == key; });
  return value;
}

absl::Status TakeBackingOptions(const std::string& target_format, TargetOptions& options,
                                TargetBacking& backing) {
  std::optional<std::string> name = TakeOption(options, "backing_file");
  std::optional<std::string> format = TakeOption(options, "backing_fmt");
  if (!backing.name) backing.name = std::move(name);
  if (!backing.format) backing.format = std::move(format);
  if (!backing.name && !backing.format) return absl::OkStatus();
  if (!HasBackingFiles(target_format)) {
    return absl::UnimplementedError(
        Cat("Backing file not supported for file format '", target_format, "'"));
  }
  if (!backing.name) {
    return absl::InvalidArgumentError("Backing format cannot be used without backing file");
  }
  if (!backing.format) {
    return WithRemedy(absl::InvalidArgumentError("Backing file specified without backing format"),
                      "name it with -F; what an image says of itself is not to be trusted");
  }
  if (const absl::StatusOr<std::string> path = ParseInputName(*backing.name); !path.ok()) {
    return path.status();
  }
  return SetSourceFormat(std::string(*backing.format), *backing.format);
}

std::string BackingPath(std::string_view target_path, std::string_view name) {
  const absl::StatusOr<std::string> path = ParseInputName(name);
  if (path.ok() && *path != name) return *path;
  return FullBackingName(target_path, name);
}

absl::StatusOr<BackingImage> DescribeBacking(const Engine& engine, const std::string& target_path,
                                             const TargetBacking& backing, JobOptions options) {
  const std::string path = BackingPath(target_path, *backing.name);
  const absl::StatusOr<File> file = OpenForReading(path);
  if (!file.ok()) return file.status();
  InfoRequest request;
  request.source = {.fd = file->fd(), .name = path, .format = *backing.format};
  request.options = std::move(options);
  const absl::StatusOr<InfoReply> reply = engine.Info(request);
  if (!reply.ok()) {
    return Reworded(reply.status(),
                    Cat("backing file '", path, "': ", View(reply.status().message())));
  }
  return BackingImage{
      .name = *backing.name, .format = *backing.format, .size = reply->info.virtual_size};
}

}  // namespace hotcell::cli
