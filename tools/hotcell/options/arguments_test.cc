#include "tools/hotcell/options/arguments.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tools/hotcell/common/error.h"

namespace hotcell::cli {
namespace {

constexpr int kStats = kFirstLongOption;
constexpr OptionSpec kOptions[] = {
    {'f', "format", true},    {'p', "progress", false},     {'q', nullptr, false},
    {kStats, "stats", false}, {kStats + 1, "status", true},
};
constexpr RefusedOption kRefused[] = {{"salvage", "bad sectors are errors"},
                                      {"B", "no backing file is written"}};

struct Parsed {
  std::vector<std::pair<int, std::string>> options;
  absl::StatusOr<std::vector<std::string>> operands;
};

Parsed Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "command");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  Parsed parsed{{}, absl::UnknownError("")};
  parsed.operands = ParseArguments(static_cast<int>(arguments.size()), argv.data(), kOptions,
                                   kRefused, [&](int id, std::string_view value) {
                                     parsed.options.emplace_back(id, value);
                                     return absl::OkStatus();
                                   });
  return parsed;
}

std::string ErrorOf(std::vector<std::string> arguments) {
  const Parsed parsed = Parse(std::move(arguments));
  return parsed.operands.ok() ? "" : ErrorLine("", parsed.operands.status());
}

using Options = std::vector<std::pair<int, std::string>>;
using Operands = std::vector<std::string>;

TEST(ParseArgumentsTest, TakesOptionsAmongOperands) {
  const Parsed parsed = Parse({"in", "-pf", "qcow2", "--stats", "out", "--format=raw", "--", "-q"});
  ASSERT_TRUE(parsed.operands.ok()) << parsed.operands.status();
  EXPECT_EQ(*parsed.operands, (Operands{"in", "out", "-q"}));
  EXPECT_EQ(parsed.options, (Options{{'p', ""}, {'f', "qcow2"}, {kStats, ""}, {'f', "raw"}}));
}

TEST(ParseArgumentsTest, TakesValuesThatLookLikeOptions) {
  EXPECT_EQ(Parse({"-f", "--stats", "--format", "-p"}).options,
            (Options{{'f', "--stats"}, {'f', "-p"}}));
}

TEST(ParseArgumentsTest, RefusesAbbreviations) {
  EXPECT_EQ(ErrorOf({"--forma", "raw"}),
            "hotcell: unknown option '--forma'; did you mean '--format'?\n");
  EXPECT_EQ(ErrorOf({"--forma=raw"}),
            "hotcell: unknown option '--forma'; did you mean '--format'?\n");
  EXPECT_EQ(ErrorOf({"--stat"}), "hotcell: unknown option '--stat'; did you mean '--stats'?\n");
}

TEST(ParseArgumentsTest, SuggestsTheNearestOption) {
  EXPECT_EQ(ErrorOf({"--fromat", "raw"}),
            "hotcell: unknown option '--fromat'; did you mean '--format'?\n");
  EXPECT_EQ(ErrorOf({"in", "--porgress=1", "out"}),
            "hotcell: unknown option '--porgress'; did you mean '--progress'?\n");
  EXPECT_EQ(ErrorOf({"--xyzzy"}), "hotcell: unknown option '--xyzzy'\n");
}

TEST(ParseArgumentsTest, NamesAnUnknownLetterAmongOthers) {
  EXPECT_EQ(ErrorOf({"-pXq"}), "hotcell: unknown option '-X'\n");
  EXPECT_EQ(ErrorOf({"-X"}), "hotcell: unknown option '-X'\n");
}

TEST(ParseArgumentsTest, NamesMissingAndNeedlessValues) {
  EXPECT_EQ(ErrorOf({"--format"}), "hotcell: option '--format' needs a value\n");
  EXPECT_EQ(ErrorOf({"-pf"}), "hotcell: option '-f' needs a value\n");
  EXPECT_EQ(ErrorOf({"--stats=1"}), "hotcell: option '--stats' takes no value\n");
  EXPECT_EQ(ErrorOf({"--progress=1"}), "hotcell: option '--progress' takes no value\n");
}

TEST(ParseArgumentsTest, SaysWhyAnOptionIsRefused) {
  EXPECT_EQ(ErrorOf({"--salvage"}),
            "hotcell: option '--salvage' is not supported: bad sectors are errors\n");
  EXPECT_EQ(ErrorOf({"-B", "x"}),
            "hotcell: option '-B' is not supported: no backing file is written\n");
}

TEST(CheckOperandsTest, NamesWhatIsMissingOrTooMuch) {
  constexpr std::string_view kNames[] = {"INPUT", "OUTPUT"};
  EXPECT_TRUE(CheckOperands({"a", "b"}, kNames).ok());
  EXPECT_EQ(CheckOperands({"a"}, kNames).message(), "missing operand OUTPUT");
  EXPECT_EQ(CheckOperands({"a", "b", "c"}, kNames).message(), "unexpected operand 'c'");
  EXPECT_EQ(CheckOperands({"a", ""}, kNames).message(), "operand OUTPUT is empty");
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(ParseKeyValuesTest, SplitsAtSingleCommas) {
  EXPECT_EQ(ParseKeyValues("cluster_size=64k,name=a,,b,lazy_refcounts").value(),
            (Pairs{{"cluster_size", "64k"}, {"name", "a,b"}, {"lazy_refcounts", "on"}}));
  EXPECT_EQ(ParseKeyValues("a=b=c,").value(), (Pairs{{"a", "b=c"}}));
  EXPECT_EQ(ParseKeyValues("").value(), Pairs{});
  EXPECT_FALSE(ParseKeyValues("=x").ok());
}

TEST(ParseCountTest, ChecksTheRange) {
  EXPECT_EQ(ParseCount("16", "coroutines", 1, 16).value(), 16u);
  for (const char* text : {"0", "17", "x", ""}) {
    EXPECT_FALSE(ParseCount(text, "coroutines", 1, 16).ok()) << text;
  }
}

}  // namespace
}  // namespace hotcell::cli
