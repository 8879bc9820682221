#include "tools/hotcell/report/text_table.h"

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

TEST(TextTableTest, PutsCellsUnderEachOtherAndWrapsThemBetweenWords) {
  TextTable table({4, 8, 6});
  table.AddRow({"a", "one two three", "x"});
  table.AddRow({"bb", "four", "yy"});
  EXPECT_EQ(table.text(),
            "  a     one two   x\n"
            "        three\n"
            "  bb    four      yy\n");
}

TEST(TextTableTest, AWordLongerThanItsColumnIsNotCut) {
  TextTable table({2, 2});
  table.AddRow({"long", "x"});
  EXPECT_EQ(table.text(), "  longx\n");
}

TEST(WrapWordsTest, KeepsEveryWord) {
  EXPECT_EQ(WrapWords("a bb ccc dddddddd e", 5),
            (std::vector<std::string>{"a bb", "ccc", "dddddddd", "e"}));
  EXPECT_EQ(WrapWords("", 5), std::vector<std::string>{""});
}

}  // namespace
}  // namespace hotcell::cli
