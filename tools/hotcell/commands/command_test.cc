// What holds for the command lines of all commands.
#include "tools/hotcell/commands/command.h"

#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(CommandTest, HelpBeginsWithTheUsage) {
  for (const Command& command : Commands()) {
    EXPECT_THAT(command.line().Help(), StartsWith(Cat("usage: hotcell ", command.name)));
  }
}

TEST(CommandTest, HelpHasShortLines) {
  constexpr size_t kWidest = 97;
  for (const Command& command : Commands()) {
    const std::string help = command.line().Help();
    for (const absl::string_view part : absl::StrSplit(help, '\n')) {
      const std::string_view line = View(part);
      EXPECT_LE(line.size(), kWidest) << command.name << ": " << line;
      EXPECT_FALSE(line.ends_with(' ')) << command.name << ": " << line;
    }
  }
}

TEST(CommandTest, HelpSpellsWhatItTells) {
  for (const Command& command : Commands()) {
    const std::string help = command.line().Help();
    for (const Row& row : command.line().rows()) {
      if (!command.line().Tells(row)) continue;
      const std::string spelled =
          row.letter != 0 ? Cat("-", row.letter) : Cat("--", std::string_view(row.names[0]));
      EXPECT_THAT(help, HasSubstr(spelled)) << command.name;
    }
  }
}

TEST(CommandTest, EveryRowCanBeGiven) {
  for (const Command& command : Commands()) {
    for (const Row& row : command.line().rows()) {
      EXPECT_TRUE(row.letter != 0 || row.names[0] != nullptr) << command.name;
      EXPECT_EQ(row.completion == Completion::kWords, !row.words.empty()) << command.name;
      EXPECT_TRUE(!row.value.empty() || row.completion == Completion::kNone) << command.name;
    }
  }
}

// What is refused is not taken as well.
TEST(CommandTest, RefusedOptionsAreNoOptions) {
  for (const Command& command : Commands()) {
    std::set<std::string_view> names;
    for (const Row& row : command.line().rows()) {
      for (const char* const name : row.names) {
        if (name != nullptr) names.insert(name);
      }
      if (row.letter != 0) names.emplace(&row.letter, 1);
    }
    for (const RefusedOption& refused : command.line().refused()) {
      EXPECT_FALSE(names.contains(refused.name)) << command.name << " " << refused.name;
    }
  }
}

}  // namespace
}  // namespace hotcell::cli
