#include "base/alignment.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace hotcell {
namespace {

constexpr uint64_t kMax = UINT64_MAX;

TEST(DivideUp, CountsAPartOfAUnitAsAWholeOne) {
  EXPECT_EQ(DivideUp(0, 512), 0u);
  EXPECT_EQ(DivideUp(1, 512), 1u);
  EXPECT_EQ(DivideUp(512, 512), 1u);
  EXPECT_EQ(DivideUp(513, 512), 2u);
  EXPECT_EQ(DivideUp(7, 3), 3u);
  EXPECT_EQ(DivideUp(7, 1), 7u);
}

TEST(DivideUp, DoesNotWrapAroundForTheLargestValues) {
  EXPECT_EQ(DivideUp(kMax, 1), kMax);
  EXPECT_EQ(DivideUp(kMax, 2), uint64_t{1} << 63);
  EXPECT_EQ(DivideUp(kMax, 512), uint64_t{1} << 55);
  EXPECT_EQ(DivideUp(kMax, kMax), 1u);
  EXPECT_EQ(DivideUp(kMax - 1, kMax), 1u);
}

TEST(AlignDown, GivesTheMultipleBelow) {
  EXPECT_EQ(AlignDown(0, 512), 0u);
  EXPECT_EQ(AlignDown(511, 512), 0u);
  EXPECT_EQ(AlignDown(512, 512), 512u);
  EXPECT_EQ(AlignDown(8, 3), 6u);
  EXPECT_EQ(AlignDown(kMax, 512), kMax - 511);
}

TEST(AlignUp, GivesTheMultipleAbove) {
  EXPECT_EQ(AlignUp(0, 512), 0u);
  EXPECT_EQ(AlignUp(1, 512), 512u);
  EXPECT_EQ(AlignUp(512, 512), 512u);
  EXPECT_EQ(AlignUp(513, 512), 1024u);
  EXPECT_EQ(AlignUp(7, 3), 9u);
  EXPECT_EQ(AlignUp(kMax - 512, 512), kMax - 511);
  EXPECT_EQ(AlignUp(kMax - 511, 512), kMax - 511);
}

TEST(AlignUp, SaturatesWhereSixtyFourBitsHoldNoMultiple) {
  EXPECT_EQ(AlignUp(kMax - 510, 512), kMax);
  EXPECT_EQ(AlignUp(kMax, 512), kMax);
  EXPECT_EQ(AlignUp(kMax, 1), kMax);
  EXPECT_EQ(AlignUp(kMax, 2), kMax);
  EXPECT_EQ(AlignUp((uint64_t{1} << 63) + 1, uint64_t{1} << 63), kMax);
}

}  // namespace
}  // namespace hotcell
