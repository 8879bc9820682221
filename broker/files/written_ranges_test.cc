#include "broker/files/written_ranges.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace hotcell::broker {
namespace {

using Range = WrittenRanges::Range;

TEST(WrittenRangesTest, NothingIsOneGap) {
  const WrittenRanges written;
  EXPECT_EQ(written.FirstGap(10), (Range{0, 10}));
  EXPECT_EQ(written.FirstGap(0), std::nullopt);
  EXPECT_EQ(written.end(), 0u);
}

TEST(WrittenRangesTest, RangesThatTouchBecomeOne) {
  WrittenRanges written;
  written.Add(10, 20);
  written.Add(30, 40);
  written.Add(20, 30);
  EXPECT_EQ(written.count(), 1u);
  EXPECT_EQ(written.end(), 40u);
  EXPECT_EQ(written.FirstGap(100), (Range{0, 10}));
  written.Add(0, 10);
  EXPECT_EQ(written.FirstGap(100), (Range{40, 100}));
  EXPECT_EQ(written.FirstGap(40), std::nullopt);
}

TEST(WrittenRangesTest, EmptyRangesAreNone) {
  WrittenRanges written;
  written.Add(5, 5);
  EXPECT_EQ(written.count(), 0u);
}

TEST(WrittenRangesTest, GapsAreWhatNoRangeHas) {
  constexpr uint64_t kSize = 64;
  std::minstd_rand random(7);
  for (int round = 0; round < 200; ++round) {
    WrittenRanges written;
    std::vector<bool> bytes(kSize);
    for (int i = 0; i < 8; ++i) {
      const uint64_t begin = random() % kSize;
      const uint64_t end = begin + random() % (kSize - begin + 1);
      written.Add(begin, end);
      for (uint64_t at = begin; at < end; ++at) bytes[at] = true;
    }
    while (const auto gap = written.FirstGap(kSize)) {
      for (uint64_t at = gap->begin; at < gap->end; ++at) {
        ASSERT_FALSE(bytes[at]) << at;
        bytes[at] = true;
      }
      written.Add(gap->begin, gap->end);
    }
    EXPECT_EQ(bytes, std::vector<bool>(kSize, true));
  }
}

}  // namespace
}  // namespace hotcell::broker
