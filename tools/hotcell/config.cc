#include "tools/hotcell/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "tools/hotcell/common_options.h"
#include "tools/hotcell/files.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

constexpr const char* kEnvironment = "HOTCELL_CONFIG";
constexpr const char* kDefaultPath = "/etc/hotcell/hotcell.conf";
constexpr size_t kMaxFileSize = 1 << 20;

// Empty: there is none.
std::string ConfigPath() {
  if (const char* const named = secure_getenv(kEnvironment); named != nullptr) return named;
  return access(kDefaultPath, F_OK) == 0 ? kDefaultPath : "";
}

// What may be shown of a name that is none of ours: nothing of a file that is no configuration,
// which whoever set the environment may not be allowed to read.
std::string Shown(std::string_view name) {
  constexpr size_t kLongest = 24;  // of names of settings, and typing errors in them
  const bool is_like_ours = !name.empty() && name.size() <= kLongest &&
                            std::all_of(name.begin(), name.end(),
                                        [](char c) { return absl::ascii_isalpha(c) || c == '-'; });
  return is_like_ours ? Cat("unknown setting '", name, "'")
                      : "no setting; is this a configuration file of hotcell's?";
}

const OptionSpec* FindOption(std::string_view name, std::span<const OptionSpec> options) {
  for (const OptionSpec& option : options) {
    if (option.name != nullptr && option.name == name) return &option;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseConfig(std::string_view text, std::string_view path,
                                                     ConfigScope scope) {
  const std::vector<OptionSpec> known = WithImageOptions({});
  const std::vector<OptionSpec> wanted =
      scope == ConfigScope::kImages ? known : WithCommonOptions({});
  std::vector<std::string> arguments;
  CommonOptions tried;
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    ++number;
    const std::string_view setting = View(absl::StripAsciiWhitespace(line));
    if (setting.empty() || setting.front() == '#') continue;
    const auto fail = [&](std::string_view why) {
      return absl::InvalidArgumentError(Cat(path, ":", number, ": ", why));
    };
    const size_t equals = setting.find('=');
    const std::string_view name =
        View(absl::StripTrailingAsciiWhitespace(AbslView(setting.substr(0, equals))));
    const OptionSpec* const option = FindOption(name, known);
    if (option == nullptr || !option->has_value) {
      return fail(Shown(name));
    }
    if (equals == std::string_view::npos) return fail(Cat("'", name, "' needs a value"));
    const std::string value(
        View(absl::StripLeadingAsciiWhitespace(AbslView(setting.substr(equals + 1)))));
    if (absl::Status status = ApplyCommonOption(option->id, value, tried); !status.ok()) {
      return fail(View(status.message()));
    }
    if (FindOption(name, wanted) != nullptr) arguments.push_back(Cat("--", name, "=", value));
  }
  return arguments;
}

absl::StatusOr<std::vector<std::string>> ConfiguredArguments(ConfigScope scope) {
  const std::string path = scope == ConfigScope::kNone ? "" : ConfigPath();
  if (path.empty()) return std::vector<std::string>();
  const absl::StatusOr<std::string> text =
      ReadWholeFile(path, /*allow_pipes=*/false, kMaxFileSize, "the configuration file");
  if (!text.ok()) return text.status();
  return ParseConfig(*text, path, scope);
}

}  // namespace hotcell::cli
