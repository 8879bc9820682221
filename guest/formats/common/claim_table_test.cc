#include "guest/formats/common/claim_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

namespace hotcell::guest {
namespace {

TEST(ClaimTableTest, TheSameClusterMayClaimItsPlaceAgain) {
  ClaimTable table;
  EXPECT_EQ(table.Claim(0x50000, 0), std::nullopt);
  EXPECT_EQ(table.Claim(0x50000, 0), std::nullopt);
}

TEST(ClaimTableTest, NamesTheClusterThatClaimedFirst) {
  ClaimTable table;
  EXPECT_EQ(table.Claim(0x50000, 0x10000), std::nullopt);
  EXPECT_EQ(table.Claim(0x60000, 0x20000), std::nullopt);
  EXPECT_EQ(table.Claim(0x50000, 0x30000), 0x10000);
}

TEST(ClaimTableTest, FindsClaimsThatTakeTurns) {
  ClaimTable table;
  constexpr uint64_t kPlaces = 100'000;
  for (uint64_t i = 0; i < kPlaces; ++i) ASSERT_EQ(table.Claim(i << 16, i << 21), std::nullopt);
  uint64_t found = 0;
  for (uint64_t i = 0; i < kPlaces; ++i) {
    found += table.Claim(i << 16, (kPlaces + i) << 21).has_value() ? 1 : 0;
  }
  EXPECT_GT(found, 0);
}

TEST(ClaimTableTest, FindsClaimsInARowWhenItIsFull) {
  ClaimTable table;
  for (uint64_t i = 0; i < 100'000; ++i) ASSERT_EQ(table.Claim(i << 16, i << 21), std::nullopt);
  EXPECT_EQ(table.Claim(1, uint64_t{1} << 40), std::nullopt);
  EXPECT_EQ(table.Claim(1, uint64_t{2} << 40), uint64_t{1} << 40);
}

}  // namespace
}  // namespace hotcell::guest
