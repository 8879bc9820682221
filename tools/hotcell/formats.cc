#include "tools/hotcell/formats.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "tools/hotcell/error.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/suggest.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

struct FormatName {
  std::string_view name;
  bool writable;
  std::vector<std::string_view> compressions;  // what -o chooses among with -c
  std::string_view options;                    // one a line, as -o takes them
  std::string_view creation;                   // one a line, as creation_text.h has it
};

// From what the formats' folders declare.
const std::vector<FormatName>& KnownFormats() {
  static const auto* const formats = new std::vector<FormatName>{
#include "hotcell_formats.inc"
  };
  return *formats;
}

absl::Status Check(std::string_view name, bool to_write) {
  std::vector<std::string_view> known;
  std::string list;
  for (const FormatName& format : KnownFormats()) {
    if (to_write && !format.writable) continue;
    if (format.name == name) return absl::OkStatus();
    known.push_back(format.name);
    Append(list, list.empty() ? "" : ", ", format.name);
  }
  const std::optional<std::string_view> nearest = Nearest(name, known);
  return WithRemedy(absl::InvalidArgumentError(Cat("unknown file format '", Escape(name), "'")),
                    nearest.has_value()
                        ? Cat("did you mean '", *nearest, "'?")
                        : Cat("formats that can be ", to_write ? "written" : "read", ": ", list));
}

absl::Status Set(std::string_view name, bool to_write, std::string& format) {
  format = name == "file" || name == "host_device" ? "raw" : std::string(name);
  return Check(format, to_write);
}

}  // namespace

Json FormatsJson() {
  Json formats = Json::Array();
  for (const FormatName& format : KnownFormats()) {
    Json compressions = Json::Array();
    for (const std::string_view option : format.compressions) compressions.AppendString(option);
    Json entry = Json::Object();
    entry.SetString("name", format.name)
        .SetBool("writable", format.writable)
        .Set("compressions", std::move(compressions));
    formats.Append(std::move(entry));
  }
  return formats;
}

std::string FormatNames() {
  std::vector<std::string_view> names;
  for (const FormatName& format : KnownFormats()) names.push_back(format.name);
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string_view name : names) Append(list, list.empty() ? "" : " ", name);
  return list;
}

absl::Status SetSourceFormat(std::string_view name, std::string& format) {
  return Set(name, /*to_write=*/false, format);
}

absl::Status SetTargetFormat(std::string_view name, std::string& format) {
  return Set(name, /*to_write=*/true, format);
}

std::string_view CreationOptions(std::string_view name) {
  for (const FormatName& format : KnownFormats()) {
    if (format.name == name) return format.creation;
  }
  return "";
}

std::string TargetOptionsHelp(std::string_view name) {
  for (const FormatName& format : KnownFormats()) {
    if (format.name != name) continue;
    if (format.options.empty()) return Cat("Format '", name, "' has no options.\n");
    return Cat("Options of format '", name, "' (-o NAME=VALUE,...):\n", format.options);
  }
  return "";
}

}  // namespace hotcell::cli
