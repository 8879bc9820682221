// Prints the command lines of all commands as JSON, for the manual and the completions, which are
// made of it (tools/option_texts/). Runs while hotcell is built, and is not installed.
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "hotcell/layers.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/limit_options.h"
#include "tools/hotcell/options/option.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

std::string_view CompletionName(Completion completion) {
  switch (completion) {
    case Completion::kNone:
      return "none";
    case Completion::kFile:
      return "file";
    case Completion::kDirectory:
      return "directory";
    case Completion::kWords:
      return "words";
    case Completion::kFormat:
      return "format";
    case Completion::kFormats:
      return "formats";
    case Completion::kTargetFormat:
      return "target-format";
    case Completion::kTargetOptions:
      return "target-options";
    case Completion::kLimit:
      return "limit";
    case Completion::kLayers:
      return "layers";
  }
  return "";
}

Json WordsJson(std::string_view words) {
  Json json = Json::Array();
  for (const std::string& word :
       std::vector<std::string>(absl::StrSplit(AbslView(words), ' ', absl::SkipEmpty()))) {
    json.AppendString(word);
  }
  return json;
}

Json RowJson(const Row& row, bool is_told = true) {
  Json names = Json::Array();
  for (const char* const name : row.names) {
    if (name != nullptr) names.AppendString(name);
  }
  Json json = Json::Object();
  json.SetString("letter", row.letter == 0 ? "" : std::string(1, row.letter))
      .Set("names", std::move(names))
      .SetString("value", row.value)
      .SetString("help", row.help)
      .SetBool("joined", row.joined)
      .SetBool("told", is_told)
      .SetString("completion", CompletionName(row.completion))
      .Set("words", WordsJson(row.words));
  return json;
}

Json CommandJson(const Command& command) {
  const OptionTable& line = command.line();
  Json options = Json::Array();
  for (const Row& row : line.rows()) options.Append(RowJson(row, line.Tells(row)));
  Json json = Json::Object();
  json.SetString("name", command.name)
      .SetString("summary", command.summary)
      .Set("options", std::move(options));
  return json;
}

// The options that are the same wherever they are.
Json SharedJson() {
  Json shared = Json::Array();
  for (const auto group : {LimitOptions(), ProgramOptions(), ReferenceOptions(), HelpOption()}) {
    for (const Option<CommonOptions>& option : group) shared.Append(RowJson(option.row));
  }
  return shared;
}

Json LayerNamesJson() {
  Json names = Json::Array();
  for (const Layer layer : KnownLayers()) names.AppendString(LayerName(layer));
  names.AppendString("all");
  return names;
}

Json LimitNamesJson() {
  Json names = Json::Array();
  for (const std::string_view name : LimitNames()) names.AppendString(name);
  return names;
}

int Describe() {
  Json commands = Json::Array();
  for (const Command& command : Commands()) commands.Append(CommandJson(command));
  Json document = Json::Object();
  document.Set("commands", std::move(commands))
      .Set("shared", SharedJson())
      .Set("limits", LimitNamesJson())
      .Set("layers", LayerNamesJson())
      .Set("formats", FormatOptionsJson());
  std::puts(document.Dump().c_str());
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace hotcell::cli

int main() { return hotcell::cli::Describe(); }
