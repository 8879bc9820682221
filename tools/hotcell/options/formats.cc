#include "tools/hotcell/options/formats.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/suggest.h"
#include "tools/hotcell/common/text.h"

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

// The types that qemu-img has for what our own help calls by its meaning.
std::string_view TypeOfValue(std::string_view meaning) {
  if (meaning == "SIZE") return "<size>";
  if (meaning == "COUNT") return "<num>";
  return meaning == "on|off" ? "<bool (on/off)>" : "<str>";
}

// Descriptions by "NAME=TYPE" of a format's options.
std::map<std::string, std::string> DescribedOptions(std::string_view options) {
  std::map<std::string, std::string> described;
  std::string* last = nullptr;
  for (const absl::string_view line :
       absl::StrSplit(AbslView(options), '\n', absl::SkipWhitespace())) {
    const std::string_view text = View(absl::StripAsciiWhitespace(line));
    const size_t equals = text.find('=');
    const size_t end = text.find(' ');
    const bool is_continued = line.substr(0, 3) == "   " || equals > end;
    if (is_continued && last != nullptr) {
      Append(*last, " ", text);
    } else if (!is_continued && end != std::string_view::npos) {
      const std::string_view type = TypeOfValue(text.substr(equals + 1, end - equals - 1));
      last = &described[Cat(text.substr(0, equals + 1), type)];
      *last = View(absl::StripAsciiWhitespace(AbslView(text.substr(end))));
    }
  }
  return described;
}

// The one whose images can be written on a backing file.
constexpr std::string_view kOverlayFormat = "qcow2";

// In the form of qemu-img, whose lists scripts search for names.
std::string SupportedOptions(const FormatName& format) {
  std::map<std::string, std::string> described = DescribedOptions(format.options);
  described["size=<size>"] = "of the disk";
  if (format.name == kOverlayFormat) {
    described["backing_file=<str>"] = "the file that the image stands on";
    described["backing_fmt=<str>"] = "the format of that file";
  }
  std::string list = "Supported options:\n";
  for (const auto& [option, text] : described) {
    list += absl::StrFormat("  %-22s - %s\n", option, text);
  }
  return list;
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

Json FormatOptionsJson() {
  Json formats = Json::Array();
  for (const FormatName& format : KnownFormats()) {
    Json options = Json::Array();
    // "cluster_size=<size>".
    for (const auto& [option, text] : DescribedOptions(format.options)) {
      const size_t equals = option.find('=');
      Json entry = Json::Object();
      entry.SetString("name", option.substr(0, equals))
          .SetString("type", option.substr(equals + 1))
          .SetString("text", text);
      options.Append(std::move(entry));
    }
    Json entry = Json::Object();
    entry.SetString("name", format.name)
        .SetBool("writable", format.writable)
        .Set("options", std::move(options));
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
    if (ActsAsQemuImg()) return SupportedOptions(format);
    if (format.options.empty()) return Cat("Format '", name, "' has no options.\n");
    return Cat("Options of format '", name, "' (-o NAME=VALUE,...):\n", format.options);
  }
  return "";
}

}  // namespace hotcell::cli
