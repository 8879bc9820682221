#include "tools/hotcell/common/escape.h"

#include <string>

#include "gtest/gtest.h"
#include "hotcell/text.h"

namespace hotcell::cli {
namespace {

using std::string_literals::operator""s;

TEST(EscapeTest, LeavesNothingThatMovesTheCursor) {
  EXPECT_EQ(Escape("a\x1b[2Jb\nc\xff"), "a\\x1b[2Jb\\nc\\xff");
}

TEST(EscapeTest, ShowsTheLongestNameThatAnImageCanHold) {
  EXPECT_EQ(Escape(std::string(1023, 'n')), std::string(1023, 'n'));
}

TEST(EscapeConsoleTest, KeepsLineBreaksAndTabs) {
  EXPECT_EQ(EscapeConsole("a\tb\r\nc\x1b[m\n"), "a\tb\r\nc\\x1b[m\n");
  EXPECT_EQ(EscapeConsole(""), "");
}

TEST(UnescapeTest, ReadsWhatErrorsPrint) {
  const std::string names[] = {"base.qcow2", "a\nb\tc\rd", "\x1b[m\xff\0"s, "it's \\ odd",
                               "\u202e\u00ad\U000e0001 größe"};
  for (const std::string& name : names) {
    const std::string quoted = hotcell::Quote(name);
    EXPECT_EQ(Unescape(quoted.substr(1, quoted.size() - 2)).value(), name);
  }
}

TEST(UnescapeTest, RefusesWhatIsNoEscape) {
  for (const char* text : {"\\", "a\\q", "\\x4", "\\xgg", "\\u41", "\\u{}", "\\u{110000}"}) {
    EXPECT_FALSE(Unescape(text).ok()) << text;
  }
}

}  // namespace
}  // namespace hotcell::cli
