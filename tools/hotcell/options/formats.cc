#include "tools/hotcell/options/formats.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/suggest.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

// What -o takes.
struct ToldOption {
  std::string_view name;
  std::string_view type;  // as qemu-img calls it
  std::string_view text;
  std::vector<std::string_view> values;  // those that are words
  bool taken;                            // otherwise its value comes in another way
};

struct FormatName {
  std::string_view name;
  bool writable;
  std::vector<std::string_view> compressions;  // what -o chooses among with -c
  std::vector<ToldOption> options;             // in alphabetical order
  std::string_view help;                       // the text of `-o help`; empty: it has no options
  std::vector<PrintedOption> creation;
};

// From what the formats' folders declare, by format_options.py.
const std::vector<FormatName>& KnownFormats() {
  static const auto* const formats = new std::vector<FormatName>{
#include "hotcell_formats.inc"
  };
  return *formats;
}

// In the form of qemu-img, whose lists scripts search for names.
std::string SupportedOptions(const FormatName& format) {
  std::map<std::string, std::string_view> described = {{"size=<size>", "of the disk"}};
  for (const ToldOption& option : format.options) {
    described[Cat(option.name, "=", option.type)] = option.text;
  }
  std::string list = "Supported options:\n";
  for (const auto& [option, text] : described) {
    list += absl::StrFormat("  %-22s - %s\n", option, AbslView(text));
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
  const absl::Status error =
      absl::InvalidArgumentError(Cat("unknown file format '", Escape(name), "'"));
  return WithRemedy(WithErrorId(error, ErrorId::kUnknownFormat, name),
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
    for (const ToldOption& option : format.options) {
      if (!option.taken) continue;
      Json values = Json::Array();
      for (const std::string_view value : option.values) values.AppendString(value);
      Json entry = Json::Object();
      entry.SetString("name", option.name)
          .SetString("type", option.type)
          .SetString("text", option.text)
          .Set("values", std::move(values));
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

std::span<const PrintedOption> CreationOptions(std::string_view name) {
  for (const FormatName& format : KnownFormats()) {
    if (format.name == name) return format.creation;
  }
  return {};
}

std::string TargetOptionsHelp(std::string_view name) {
  for (const FormatName& format : KnownFormats()) {
    if (format.name != name) continue;
    if (ActsAsQemuImg()) return SupportedOptions(format);
    if (format.help.empty()) return Cat("Format '", name, "' has no options.\n");
    return Cat("Options of format '", name, "' (-o NAME=VALUE,...):\n", format.help);
  }
  return "";
}

}  // namespace hotcell::cli
