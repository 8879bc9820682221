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
  std::string_view name;
  bool is_size = false;
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
    option.is_size = TakeUntil(line, ' ') == "size";
    if (!line.empty()) option.value = line;
    options.push_back(option);
  }
  if (options.empty()) options.push_back({.name = "size", .is_size = true, .value = {}});
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
    if (given && option.is_size) {
      const absl::StatusOr<uint64_t> size = ParseSize(*given);
      if (!size.ok()) return size.status();
      Append(text, " ", option.name, "=", *size);
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
