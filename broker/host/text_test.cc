#include "hotcell/text.h"

#include <gtest/gtest.h>

namespace hotcell {
namespace {

TEST(EscapeTest, LeavesPlainTextAndUtf8Alone) {
  EXPECT_EQ(Escape("disk 1.qcow2"), "disk 1.qcow2");
  EXPECT_EQ(Escape("größe-日本.raw"), "größe-日本.raw");
}

TEST(EscapeTest, DisarmsControlCharactersAndTerminalSequences) {
  EXPECT_EQ(Escape("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(Escape("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(Escape(std::string_view("x\0y", 3)), "x\\x00y");
  EXPECT_EQ(Escape("\xc2\x9b"
                   "31m"),
            "\\u{9b}31m");  // CSI as one C1 character
}

TEST(EscapeTest, DisarmsBidirectionalOverridesAndInvisibles) {
  EXPECT_EQ(Escape("\xe2\x80\xae"
                   "gpj"),
            "\\u{202e}gpj");
  EXPECT_EQ(Escape("\xd8\x9c"), "\\u{61c}");
  EXPECT_EQ(Escape("\xef\xbb\xbf"), "\\u{feff}");
}

TEST(EscapeTest, ShowsInvalidUtf8ByteByByte) {
  EXPECT_EQ(Escape("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Escape("\xc0\x80"), "\\xc0\\x80");           // overlong NUL
  EXPECT_EQ(Escape("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(Escape("a\xe2\x82"), "a\\xe2\\x82");         // ends early
}

TEST(EscapeTest, CutsLongNamesAtACharacterAndSaysSo) {
  EXPECT_EQ(Escape("abcdef", 3), "abc... (6 bytes)");
  EXPECT_EQ(Escape("ab\xc3\xb6"
                   "cd",
                   3),
            "ab... (6 bytes)");
  EXPECT_LT(Escape(std::string(1 << 20, '\x01')).size(), 2000u);
}

TEST(QuoteTest, EscapesQuotesAndBackslashesInside) {
  EXPECT_EQ(Quote("a\\b"), "'a\\\\b'");
  EXPECT_EQ(Quote("it's"), "'it\\'s'");
  EXPECT_EQ(Quote("abcdef", 3), "'abc'... (6 bytes)");
}

}  // namespace
}  // namespace hotcell
