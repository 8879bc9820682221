// Texts of a command line, which scripts make of names that others chose, to the parsers of sizes,
// key=value lists, image descriptions and the configuration. The first byte says which.
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tools/fuzzers/boundary/byte_source.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/check.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/config.h"
#include "tools/hotcell/options/image_opts.h"

namespace hotcell::fuzz {
namespace {

// Its text is escaped where it is printed.
void CheckError(const absl::Status& status) {
  Check(status.ok() || !status.message().empty(), "an error has a text");
}

void Sizes(std::string_view text) {
  const absl::StatusOr<uint64_t> size = cli::ParseSize(text);
  CheckError(size.status());
  CheckError(cli::ParseNumber(text).status());
  CheckError(cli::ParseCount(text, "things", 1, 100).status());
  uint64_t plain = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plain);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size() &&
      plain <= INT64_MAX) {
    Check(size.ok() && *size == plain, "a plain number is that many bytes", std::string(text));
  }
  if (size.ok()) CheckClean(cli::FormatSize(*size), "a size");
}

// What was parsed, written down again, means the same.
void KeyValues(std::string_view text) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  const absl::StatusOr<Pairs> pairs = cli::ParseKeyValues(text);
  CheckError(pairs.status());
  if (!pairs.ok()) return;
  std::string again;
  for (const auto& [key, value] : *pairs) {
    if (!again.empty()) again += ',';
    for (const char c : key + '=' + value) again += c == ',' ? ",," : std::string(1, c);
  }
  const absl::StatusOr<Pairs> parsed = cli::ParseKeyValues(again);
  Check(parsed.ok() && *parsed == *pairs, "key=value lists can be written down again", again);
}

void Images(std::string_view text) {
  for (const bool image_opts : {false, true}) {
    const absl::StatusOr<cli::ImageOpts> image = cli::ParseImageOperand(text, image_opts);
    CheckError(image.status());
    if (!image_opts && !text.starts_with("json:")) {
      Check(image.ok() && image->path == text, "a path is taken as it is");
    }
  }
  CheckError(cli::ParseJsonName("json:" + std::string(text)).status());
}

void Config(std::string_view text) {
  for (const cli::ConfigScope scope :
       {cli::ConfigScope::kNone, cli::ConfigScope::kJobs, cli::ConfigScope::kImages}) {
    const absl::StatusOr<cli::Config> config = cli::ParseConfig(text, "hotcell.conf", scope);
    CheckError(config.status());
    if (!config.ok()) continue;
    for (const std::string& argument : config->arguments) {
      Check(argument.starts_with("--") && argument.find('\n') == std::string::npos,
            "a line of the configuration is one option", argument);
    }
  }
}

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotcell::fuzz;
  ByteSource input(data, size);
  void (*const kParsers[])(std::string_view) = {&Sizes, &KeyValues, &Images, &Config};
  const auto parser = input.Pick(kParsers);
  parser(input.TakeRest());
  return 0;
}
