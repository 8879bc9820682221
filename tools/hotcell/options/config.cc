#include "tools/hotcell/options/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "hotcell/failure.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/common_options.h"

namespace hotcell::cli {
namespace {

constexpr const char* kEnvironment = "HOTCELL_CONFIG";
constexpr const char* kMachineDirectory = "/etc/hotcell";
constexpr const char* kMachinePath = "/etc/hotcell/hotcell.conf";
constexpr size_t kMaxFileSize = 1 << 20;
// Settings that are yes or no; the second is an option as well.
constexpr std::string_view kOverride = "allow-override";
constexpr std::string_view kFailIfChanged = "fail-if-changed";

// Whether the machine has a file. One that cannot be looked for is there, as is a link to a file
// that is not: it may bind.
bool MachineHasFile() {
  for (const char* const path : {kMachineDirectory, kMachinePath}) {
    struct stat status = {};
    if (lstat(path, &status) != 0) return errno != ENOENT && errno != ENOTDIR;
    // Below a directory whose link leads nowhere, lstat() would see nothing.
    if (S_ISLNK(status.st_mode) && stat(path, &status) != 0) return true;
  }
  return true;
}

// The file in place of the machine's. nullptr: none is named; empty: there is to be none.
const char* NamedFile() { return secure_getenv(kEnvironment); }

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

// An option that the file may have: those of a group and their names.
using Setting = Option<CommonOptions>;

const Setting* FindSetting(std::string_view name, std::span<const Setting> settings) {
  const auto found = std::ranges::find_if(
      settings, [&](const Setting& setting) { return setting.row.names[0] == name; });
  return found == settings.end() ? nullptr : &*found;
}

// The setting of that name among those that every command with a guest has; nullptr: none.
const Setting* FindJobSetting(std::string_view name) {
  const Setting* const limit = FindSetting(name, LimitOptions());
  return limit != nullptr ? limit : FindSetting(name, ProgramOptions());
}

const Setting* FindAnySetting(std::string_view name) {
  const Setting* const setting = FindJobSetting(name);
  return setting != nullptr ? setting : FindSetting(name, ReferenceOptions());
}

// The limit that a setting is, by the name that --limit has for it; empty: it is none.
std::string LimitOf(std::string_view name, std::string_view value) {
  if (name == "memory") return "memory";
  if (name == "timeout") return "wall-time";
  if (name != "limit") return "";
  Limits ignored;
  return SetLimit(value, ignored).value_or("");
}

class ConfigParser {
 public:
  ConfigParser(std::string_view path, ConfigScope scope) : path_(path), scope_(scope) {}

  // One line, without white space around it.
  absl::Status Add(std::string_view line, size_t number) {
    place_ = Cat(path_, ":", number);
    if (line.empty() || line.front() == '#') return absl::OkStatus();
    const size_t equals = line.find('=');
    const std::string_view name =
        View(absl::StripTrailingAsciiWhitespace(AbslView(line.substr(0, equals))));
    const bool is_switch = name == kOverride || name == kFailIfChanged;
    const Setting* const setting = FindAnySetting(name);
    if (!is_switch && setting == nullptr) return Fail(Shown(name));
    if (equals == std::string_view::npos) return Fail(Cat("'", name, "' needs a value"));
    const std::string value(
        View(absl::StripLeadingAsciiWhitespace(AbslView(line.substr(equals + 1)))));
    return is_switch ? Switch(name, value) : Add(*setting, name, value);
  }

  Config Finish() {
    config_.bounds.limits = tried_.limits;
    return std::move(config_);
  }

 private:
  absl::Status Fail(std::string_view why) const {
    return absl::InvalidArgumentError(Cat(place_, ": ", why));
  }

  absl::Status Switch(std::string_view name, std::string_view value) {
    if (value != "yes" && value != "no") return Fail(Cat("'", name, "' is yes or no"));
    if (name == kOverride) {
      config_.allows_override = value == "yes";
    } else if (value == "yes") {
      config_.arguments.push_back(Cat("--", name));
      config_.binding.push_back(Cat("--", name));
    }
    return absl::OkStatus();
  }

  absl::Status Add(const Setting& setting, std::string_view name, const std::string& value) {
    if (absl::Status status = setting.apply(value, tried_); !status.ok()) {
      return Reworded(status, Cat(place_, ": ", View(status.message())));
    }
    const std::string limit = LimitOf(name, value);
    if (!limit.empty()) config_.bounds.places[limit] = place_;
    const bool is_wanted = scope_ == ConfigScope::kImages || FindJobSetting(name) != nullptr;
    if (!is_wanted) return absl::OkStatus();
    config_.arguments.push_back(Cat("--", name, "=", value));
    if (!limit.empty() || name == "require") config_.binding.push_back(config_.arguments.back());
    return absl::OkStatus();
  }

  const std::string_view path_;
  const ConfigScope scope_;
  std::string place_;
  CommonOptions tried_;
  Config config_;
};

absl::StatusOr<Config> ReadConfig(const std::string& path, ConfigScope scope, ErrorManner manner) {
  // The limit of time that jobs have is not known before.
  constexpr absl::Duration kTime = absl::Seconds(5);
  const std::string held_up = Cat("'", path, "' does not answer");
  const std::string late =
      Cat("it took longer than ", absl::FormatDuration(kTime), " to read the configuration");
  manner.late = late;
  manner.held_up = held_up;
  const Watch watch(manner);
  const JobTime time(kTime);
  const absl::StatusOr<std::string> text =
      ReadWholeFile(path, /*allow_pipes=*/false, kMaxFileSize, "the configuration file");
  if (!text.ok()) return text.status();
  return ParseConfig(*text, path, scope);
}

}  // namespace

absl::StatusOr<Config> ParseConfig(std::string_view text, std::string_view path,
                                   ConfigScope scope) {
  ConfigParser parser(path, scope);
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    if (absl::Status status = parser.Add(View(absl::StripAsciiWhitespace(line)), ++number);
        !status.ok()) {
      return status;
    }
  }
  return parser.Finish();
}

absl::StatusOr<std::vector<std::string>> ConfiguredArguments(ConfigScope scope,
                                                             const ErrorManner& manner) {
  if (scope == ConfigScope::kNone) return std::vector<std::string>();
  absl::StatusOr<Config> machine =
      MachineHasFile() ? ReadConfig(kMachinePath, scope, manner) : Config();
  if (!machine.ok()) return machine.status();
  if (!machine->allows_override) SetLimitBounds(machine->bounds);
  const char* const named = NamedFile();
  if (named == nullptr) return machine->arguments;
  std::vector<std::string> arguments;
  if (!machine->allows_override) arguments = std::move(machine->binding);
  if (*named == '\0') return arguments;
  const absl::StatusOr<Config> config = ReadConfig(named, scope, manner);
  if (!config.ok()) return config.status();
  arguments.insert(arguments.end(), config->arguments.begin(), config->arguments.end());
  return arguments;
}

std::vector<std::string> ConfigFiles() {
  std::vector<std::string> files;
  if (MachineHasFile()) files.emplace_back(kMachinePath);
  const char* const named = NamedFile();
  if (named != nullptr && *named != '\0') files.emplace_back(named);
  return files;
}

}  // namespace hotcell::cli
