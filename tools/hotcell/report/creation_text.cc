#include "tools/hotcell/report/creation_text.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/formats.h"

namespace hotcell::cli {
namespace {

struct CreationOption {
  enum class Kind : uint8_t { kText, kNumber, kSize };

  std::string_view name;
  Kind kind = Kind::kText;
  std::optional<std::string_view> value;  // when it is not given
};

// The next of the words of `text`, which are taken off it; empty: there is none.
std::string_view TakeUntil(std::string_view& text, char end) {
  const std::string_view word = text.substr(0, text.find(end));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

std::vector<CreationOption> OptionsOf(std::string_view format) {
  std::vector<CreationOption> options;
  std::string_view rest = CreationOptions(format);
  while (!rest.empty()) {
    std::string_view line = TakeUntil(rest, '\n');
    CreationOption option;
    option.name = TakeUntil(line, ' ');
    const std::string_view kind = TakeUntil(line, ' ');
    if (kind == "size") option.kind = CreationOption::Kind::kSize;
    if (kind == "number") option.kind = CreationOption::Kind::kNumber;
    if (!line.empty()) option.value = line;
    options.push_back(option);
  }
  using Kind = CreationOption::Kind;
  if (options.empty()) options.push_back({.name = "size", .kind = Kind::kSize, .value = {}});
  // Of the file, whatever its format.
  options.push_back({.name = "nocow", .value = {}});
  options.push_back({.name = "extent_size_hint", .kind = Kind::kSize, .value = {}});
  return options;
}

// As QEMU's parser of options wants it back.
std::string Quoted(std::string_view value) {
  return absl::StrReplaceAll(Escape(value), {{",", ",,"}});
}

}  // namespace

absl::StatusOr<std::string> FormattingText(std::string_view path, std::string_view format,
                                           TargetOptions options) {
  std::string text = Cat("Formatting '", Escape(path), "', fmt=", format);
  for (const CreationOption& option : OptionsOf(format)) {
    const std::optional<std::string> given = TakeOption(options, option.name);
    if (given && option.kind != CreationOption::Kind::kText) {
      const absl::StatusOr<uint64_t> value = option.kind == CreationOption::Kind::kSize
                                                 ? ParseSize(*given)
                                                 : ParseOptionNumber(*given);
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
  for (const CreationOption& option : OptionsOf(format)) {
    if (option.name == "backing_file") return true;
  }
  return false;
}

}  // namespace hotcell::cli
