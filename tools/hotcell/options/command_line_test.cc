#include "tools/hotcell/options/command_line.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tools/hotcell/common/error.h"

namespace hotcell::cli {
namespace {

struct Group {
  std::string mode;
};

struct Options {
  bool flag = false;
  std::string name;
  Group group;
};

constexpr Option<Options> kOptions[] = {
    {{.letter = 'c', .names = {"compress", "squeeze"}, .help = "make it small"},
     On<&Options::flag>},
    {{.letter = 'B', .value = "FILE", .joined = true},
     [](std::string_view value, Options& options) {
       options.name = "B" + std::string(value);
       return absl::OkStatus();
     }},
    {{.letter = 'b', .value = "FILE", .help = "stand on FILE,\nas it is"},
     [](std::string_view value, Options& options) {
       options.name = value;
       return absl::OkStatus();
     }},
    {{.letter = 's', .names = {"size"}, .value = "SIZE", .help = "\nhow big", .shows_name = true},
     kIgnore},
    {{.names = {"a-name-that-is-long"}, .help = "of a long name"}, kIgnore},
    {{.letter = 'U'}, kIgnore},
};

constexpr Option<Group> kGroup[] = {
    {{.names = {"mode"}, .value = "=MODE", .help = "one mode"},
     [](std::string_view value, Group& group) {
       if (value == "none") return absl::InvalidArgumentError("no such mode");
       group.mode = value;
       return absl::OkStatus();
     }},
    // The first of a name is the one that is taken.
    {{.letter = 'c', .names = {"compress"}, .value = "HOW"}, kIgnore},
};

constexpr RefusedOption kRefused[] = {{"object", "secrets are not done"}};

CommandLine<Options> Line() {
  CommandLine<Options> line;
  line.Text("usage: test\n\n");
  line.Add(kOptions);
  line.Add<Group>(kGroup, &Options::group, 30);
  line.Tell({"c", "mode"}, "\nboth");
  line.Refuse(kRefused);
  return line;
}

absl::StatusOr<std::vector<std::string>> Parse(std::vector<std::string> arguments,
                                               Options& options) {
  arguments.insert(arguments.begin(), "test");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return Line().Parse(static_cast<int>(arguments.size()), argv.data(), options);
}

TEST(CommandLineTest, TellsOptionsInTheirOrder) {
  EXPECT_EQ(Line().Help(),
            "usage: test\n\n"
            "  -c                make it small\n"
            "  -B, -b FILE       stand on FILE,\n"
            "                    as it is\n"
            "  -s SIZE, --size=SIZE\n"
            "                    how big\n"
            "  --a-name-that-is-long  of a long name\n"
            "  --mode=MODE                 one mode\n"
            "  -c, --mode=MODE\n"
            "                    both\n");
}

TEST(CommandLineTest, BreaksLongLines) {
  constexpr Option<Options> kMany[] = {
      {{.names = {"one-of-several-long-names"}, .value = "NAME,...", .joined = true}, kIgnore},
      {{.names = {"two-of-several-long-names"}, .value = "NAME,...", .joined = true}, kIgnore},
      {{.names = {"three-of-several-long-names"}, .joined = true}, kIgnore},
      {{.names = {"four"}, .joined = true}, kIgnore},
      {{.names = {"five-of-several-names-that-are-as-long-as-that"}, .help = "\nall"}, kIgnore},
  };
  CommandLine<Options> line;
  line.Add(kMany);
  EXPECT_EQ(line.Help(),
            "  --one-of-several-long-names NAME,..., --two-of-several-long-names NAME,...\n"
            "  --three-of-several-long-names, --four,\n"
            "  --five-of-several-names-that-are-as-long-as-that\n"
            "                    all\n");
}

TEST(CommandLineTest, AppliesWhatIsGiven) {
  Options options;
  const auto operands = Parse({"-c", "one", "-bfile", "--mode", "fast", "-U", "two"}, options);
  ASSERT_TRUE(operands.ok()) << operands.status();
  EXPECT_EQ(*operands, (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(options.flag);
  EXPECT_EQ(options.name, "file");
  EXPECT_EQ(options.group.mode, "fast");
}

TEST(CommandLineTest, TakesBothNames) {
  for (const char* const name : {"--compress", "--squeeze"}) {
    Options options;
    EXPECT_TRUE(Parse({name}, options).ok()) << name;
    EXPECT_TRUE(options.flag) << name;
  }
}

TEST(CommandLineTest, ReportsWhatIsWrong) {
  Options options;
  EXPECT_EQ(Parse({"--mode=none"}, options).status().message(), "no such mode");
  EXPECT_EQ(Parse({"--mode"}, options).status().message(), "option '--mode' needs a value");
  EXPECT_EQ(Parse({"--object", "x"}, options).status().code(), absl::StatusCode::kUnimplemented);
  const absl::Status unknown = Parse({"--compres"}, options).status();
  EXPECT_EQ(unknown.message(), "unknown option '--compres'");
  EXPECT_EQ(OwnRemedy(unknown), "did you mean '--compress'?");
}

}  // namespace
}  // namespace hotcell::cli
