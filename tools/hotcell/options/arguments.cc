#include "tools/hotcell/options/arguments.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/suggest.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

// How getopt_long is told which options there are.
struct GetoptTables {
  std::string letters = ":";  // a missing value comes back as ':'
  std::vector<option> names;
};

GetoptTables MakeTables(std::span<const OptionSpec> options) {
  GetoptTables tables;
  for (const OptionSpec& spec : options) {
    if (spec.id < kFirstLongOption) {
      const char letter = static_cast<char>(spec.id);
      if (tables.letters.find(letter) == std::string::npos) {
        tables.letters += letter;
        if (spec.has_value) tables.letters += ':';
      }
    }
    if (spec.name != nullptr) {
      const int argument = spec.has_value ? required_argument : no_argument;
      tables.names.push_back({spec.name, argument, nullptr, spec.id});
    }
  }
  tables.names.push_back({nullptr, 0, nullptr, 0});
  return tables;
}

// The name in "--name" or "--name=value".
std::string_view LongName(std::string_view argument) {
  argument.remove_prefix(2);
  return argument.substr(0, argument.find('='));
}

std::string OptionText(std::string_view name) { return Cat(name.size() == 1 ? "-" : "--", name); }

absl::Status UnknownOption(std::string_view name, std::span<const OptionSpec> options,
                           std::span<const RefusedOption> refused) {
  const std::string text = OptionText(name);
  for (const RefusedOption& option : refused) {
    if (name == option.name) {
      return absl::UnimplementedError(Cat("option '", text, "' is not supported: ", option.reason));
    }
  }
  absl::Status status =
      WithErrorId(absl::InvalidArgumentError(Cat("unknown option '", text, "'")), ErrorId::kUsage);
  if (name.size() == 1) return status;
  std::vector<std::string_view> names;
  for (const OptionSpec& spec : options) {
    if (spec.name != nullptr) names.emplace_back(spec.name);
  }
  const std::optional<std::string_view> nearest = Nearest(name, names);
  if (!nearest.has_value()) return status;
  return WithRemedy(std::move(status), Cat("did you mean '--", *nearest, "'?"));
}

bool IsLong(std::string_view argument) {
  return argument.size() > 2 && argument.substr(0, 2) == "--";
}

// The argument that holds the option which getopt_long has just dealt with. `before` is optind as
// it was before. In a cluster of letters, optind stays until the last one.
std::string_view CurrentArgument(char** argv, int before) {
  if (optind <= before) return argv[optind] == nullptr ? "" : argv[optind];
  const bool value_is_apart = optarg != nullptr && optarg == argv[optind - 1];
  return argv[value_is_apart ? optind - 2 : optind - 1];
}

const OptionSpec* FindLong(std::string_view name, std::span<const OptionSpec> options) {
  for (const OptionSpec& spec : options) {
    if (spec.name != nullptr && name == spec.name) return &spec;
  }
  return nullptr;
}

// What getopt_long meant by '?'. `letter` is optopt.
absl::Status RefusedByGetopt(std::string_view argument, int letter,
                             std::span<const OptionSpec> options,
                             std::span<const RefusedOption> refused) {
  if (!IsLong(argument)) {
    const char name = static_cast<char>(letter);
    return UnknownOption(std::string_view(&name, 1), options, refused);
  }
  const std::string_view name = LongName(argument);
  if (FindLong(name, options) == nullptr) return UnknownOption(name, options, refused);
  return absl::InvalidArgumentError(Cat("option '--", name, "' takes no value"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseArguments(int argc, char** argv,
                                                        std::span<const OptionSpec> options,
                                                        std::span<const RefusedOption> refused,
                                                        const OptionHandler& handler) {
  const GetoptTables tables = MakeTables(options);
  opterr = 0;
  optind = 0;  // start afresh
  while (true) {
    const int before = optind == 0 ? 1 : optind;
    const int id = getopt_long(argc, argv, tables.letters.c_str(), tables.names.data(), nullptr);
    if (id == -1) break;
    const std::string_view argument = CurrentArgument(argv, before);
    if (id == '?') return RefusedByGetopt(argument, optopt, options, refused);
    // getopt_long takes abbreviations, whose meaning would change with each option added.
    if (IsLong(argument) && FindLong(LongName(argument), options) == nullptr) {
      return UnknownOption(LongName(argument), options, refused);
    }
    if (id == ':') {
      const char letter = static_cast<char>(optopt);
      const std::string_view name =
          IsLong(argument) ? LongName(argument) : std::string_view(&letter, 1);
      return absl::InvalidArgumentError(Cat("option '", OptionText(name), "' needs a value"));
    }
    absl::Status status = handler(id, optarg == nullptr ? "" : optarg);
    if (!status.ok()) return status;
  }
  return std::vector<std::string>(argv + optind, argv + argc);
}

absl::Status CheckOperands(const std::vector<std::string>& operands,
                           std::span<const std::string_view> names) {
  if (operands.size() < names.size()) {
    return WithErrorId(absl::InvalidArgumentError(Cat("missing operand ", names[operands.size()])),
                       ErrorId::kUsage);
  }
  if (operands.size() > names.size()) {
    return WithErrorId(
        absl::InvalidArgumentError(Cat("unexpected operand '", operands[names.size()], "'")),
        ErrorId::kUsage);
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].empty()) {
      return absl::InvalidArgumentError(Cat("operand ", names[i], " is empty"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseKeyValues(
    std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::string current;
  const auto finish = [&]() -> absl::Status {
    if (current.empty()) return absl::OkStatus();  // a comma too many, as qemu-img forgives it
    const size_t equals = current.find('=');
    if (equals == 0) {
      return absl::InvalidArgumentError(Cat("'", current, "' has no name before '='"));
    }
    if (equals == std::string::npos) {
      pairs.emplace_back(current, "on");
    } else {
      pairs.emplace_back(current.substr(0, equals), current.substr(equals + 1));
    }
    current.clear();
    return absl::OkStatus();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      current += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      current += ',';
      ++i;
    } else if (absl::Status status = finish(); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = finish(); !status.ok()) return status;
  return pairs;
}

absl::StatusOr<uint64_t> ParseCount(std::string_view text, std::string_view what, uint64_t least,
                                    uint64_t most) {
  const absl::StatusOr<uint64_t> value = ParseNumber(text);
  if (!value.ok() || *value < least || *value > most) {
    return absl::InvalidArgumentError(
        Cat("invalid number of ", what, " '", text, "': ", least, " to ", most));
  }
  return value;
}

}  // namespace hotcell::cli
