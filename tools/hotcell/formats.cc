#include "tools/hotcell/formats.h"

#include <optional>
#include <span>
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
  std::span<const std::string_view> compressions;  // what -o chooses among with -c
  std::string_view options;                        // one a line, as -o takes them
};

constexpr std::string_view kQcow2Compressions[] = {"compression_type=zlib",
                                                   "compression_type=zstd"};

constexpr FormatName kFormats[] = {
    {"raw", true, {}, ""},
    {"qcow2", true, kQcow2Compressions,
     "  cluster_size=SIZE       512 to 2M, a power of two (default 64k)\n"
     "  compat=VERSION          1.1 or 0.10 (default 1.1)\n"
     "  compression_type=TYPE   zlib or zstd (default zlib)\n"
     "  lazy_refcounts=on|off   leave refcounts to a repair after a crash (default off)\n"
     "  preallocation=MODE      off or metadata (default off)\n"
     "  refcount_bits=COUNT     1 to 64, a power of two (default 16)\n"},
};

absl::Status Check(std::string_view name, bool to_write) {
  std::vector<std::string_view> known;
  std::string list;
  for (const FormatName& format : kFormats) {
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

}  // namespace

Json FormatsJson() {
  Json formats = Json::Array();
  for (const FormatName& format : kFormats) {
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

absl::Status CheckSourceFormat(std::string_view name) { return Check(name, false); }

absl::Status CheckTargetFormat(std::string_view name) { return Check(name, true); }

std::string TargetOptionsHelp(std::string_view name) {
  for (const FormatName& format : kFormats) {
    if (format.name != name) continue;
    if (format.options.empty()) return Cat("Format '", name, "' has no options.\n");
    return Cat("Options of format '", name, "' (-o NAME=VALUE,...):\n", format.options);
  }
  return "";
}

}  // namespace hotcell::cli
