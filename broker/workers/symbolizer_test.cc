#include "broker/workers/symbolizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace hotcell::broker {
namespace {

constexpr Symbol kSymbols[] = {{0x200000, "_start"}, {0x200100, "Run(int)"}};

TEST(SymbolizerTest, NamesTheFunctionAndTheOffset) {
  EXPECT_EQ(Symbolize(0x200000, kSymbols), "_start+0x0");
  EXPECT_EQ(Symbolize(0x2000ff, kSymbols), "_start+0xff");
  EXPECT_EQ(Symbolize(0x200112, kSymbols), "Run(int)+0x12");
}

TEST(SymbolizerTest, GivesTheAddressOfWhatIsInNoFunction) {
  EXPECT_EQ(Symbolize(0, kSymbols), "0x0");
  EXPECT_EQ(Symbolize(0x1fffff, kSymbols), "0x1fffff");
  EXPECT_EQ(Symbolize(UINT64_MAX, kSymbols), "0xffffffffffffffff");
  EXPECT_EQ(Symbolize(0x200000, {}), "0x200000");
}

TEST(SymbolizerTest, KnowsTheBuiltInPayloadSorted) {
  const auto symbols = BuiltinSymbols();
  EXPECT_GT(symbols.size(), std::string_view(BUILTIN_PAYLOAD) == "transcoder" ? 100u : 20u);
  EXPECT_TRUE(std::is_sorted(symbols.begin(), symbols.end(), [](const Symbol& a, const Symbol& b) {
    return a.address < b.address;
  }));
  EXPECT_TRUE(std::any_of(symbols.begin(), symbols.end(), [](const Symbol& symbol) {
    return std::string_view(symbol.name) == "hotcell::guest::PayloadMain()";
  }));
}

}  // namespace
}  // namespace hotcell::broker
