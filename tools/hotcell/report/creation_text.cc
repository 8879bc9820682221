#include "tools/hotcell/report/creation_text.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/str_replace.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/formats.h"

namespace hotcell::cli {
namespace {

std::vector<PrintedOption> OptionsOf(std::string_view format) {
  const std::span<const PrintedOption> of_format = CreationOptions(format);
  std::vector<PrintedOption> options(of_format.begin(), of_format.end());
  // Of the file, whatever its format.
  options.push_back({.name = "nocow", .value = {}});
  options.push_back({.name = "extent_size_hint", .kind = PrintedOption::Kind::kSize, .value = {}});
  return options;
}

// The value as QEMU's parser of options wants it back.
std::string Quoted(std::string_view value) {
  return absl::StrReplaceAll(Escape(value), {{",", ",,"}});
}

}  // namespace

absl::StatusOr<std::string> FormattingText(std::string_view path, std::string_view format,
                                           TargetOptions options) {
  std::string text = Cat("Formatting '", Escape(path), "', fmt=", format);
  for (const PrintedOption& option : OptionsOf(format)) {
    const std::optional<std::string> given = TakeOption(options, option.name);
    if (given && option.kind != PrintedOption::Kind::kText) {
      const absl::StatusOr<uint64_t> value =
          option.kind == PrintedOption::Kind::kSize ? ParseSize(*given) : ParseOptionNumber(*given);
      if (!value.ok()) return value.status();
      Append(text, " ", option.name, "=", *value);
    } else if (given) {
      Append(text, " ", option.name, "=", Quoted(*given));
    } else if (option.value) {
      Append(text, " ", option.name, "=", *option.value);
    }
  }
  for (const auto& [name, value] : options) {
    Append(text, " ", Escape(name), "=", Quoted(value));
  }
  return text;
}

bool HasBackingFiles(std::string_view format) {
  for (const PrintedOption& option : CreationOptions(format)) {
    if (option.name == "backing_file") return true;
  }
  return false;
}

}  // namespace hotcell::cli
