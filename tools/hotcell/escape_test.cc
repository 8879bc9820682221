#include "tools/hotcell/escape.h"

#include <string>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

using std::string_literals::operator""s;

TEST(EscapeTest, KeepsPrintableText) {
  EXPECT_EQ(Escape("disk 1.qcow2 \\ 'x' \"y\" %s"), "disk 1.qcow2 \\ 'x' \"y\" %s");
}

TEST(EscapeTest, KeepsValidUtf8) {
  EXPECT_EQ(Escape("größe-磁盘-🦀"), "größe-磁盘-🦀");
}

TEST(EscapeTest, EscapesControlCharacters) {
  EXPECT_EQ(Escape("a\x1b[2Jb\nc\r\t\x7f\0d"s), "a\\x1b[2Jb\\x0ac\\x0d\\x09\\x7f\\x00d");
}

TEST(EscapeTest, EscapesC1ControlsThatUtf8Encodes) {
  EXPECT_EQ(Escape("\xc2\x9b"
                   "31m"),
            "\\xc2\\x9b31m");
}

TEST(EscapeTest, EscapesDirectionOverrides) {
  EXPECT_EQ(Escape("a\u202egpj.exe"), "a\\xe2\\x80\\xaegpj.exe");
}

TEST(EscapeTest, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Escape("\xff\xc3(\xed\xa0\x80\xc0\xaf"), "\\xff\\xc3(\\xed\\xa0\\x80\\xc0\\xaf");
}

TEST(EscapeTest, EscapesACharacterCutOffAtTheEnd) { EXPECT_EQ(Escape("a\xe7\xa3"), "a\\xe7\\xa3"); }

TEST(EscapeTest, TwiceIsOnce) {
  const std::string once = Escape("\x1b\xff\\x41");
  EXPECT_EQ(Escape(once), once);
}

TEST(EscapeConsoleTest, KeepsLineBreaksAndTabs) {
  EXPECT_EQ(EscapeConsole("a\tb\r\nc\x1b[m"), "a\tb\r\nc\\x1b[m");
}

}  // namespace
}  // namespace hotcell::cli
