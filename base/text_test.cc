#include "base/text.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace hotcell {
namespace {

TEST(StrCat, JoinsTextAndIntegersOfAllWidths) {
  EXPECT_EQ(StrCat(), "");
  EXPECT_EQ(StrCat("lane ", uint8_t{3}, std::string(" of "), std::string_view("16")),
            "lane 3 of 16");
  EXPECT_EQ(StrCat(-1, " ", size_t{0}), "-1 0");
  EXPECT_EQ(StrCat(UINT64_MAX, " ", INT64_MIN), "18446744073709551615 -9223372036854775808");
}

TEST(StrCat, WritesHexWithAPrefixAndNoLeadingZeroes) {
  EXPECT_EQ(StrCat(Hex(0)), "0x0");
  EXPECT_EQ(StrCat("at ", Hex(0x00abcdef), "."), "at 0xabcdef.");
  EXPECT_EQ(StrCat(Hex(UINT64_MAX)), "0xffffffffffffffff");
}

}  // namespace
}  // namespace hotcell
