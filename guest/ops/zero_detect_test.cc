#include "guest/ops/zero_detect.h"

#include <gtest/gtest.h>

#include <vector>

namespace hotcell::guest {
namespace {

TEST(IsAllZeroTest, IsTrueForZeroesOfAnyLengthAndAlignment) {
  const std::vector<std::byte> bytes(1000);
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; begin + size <= bytes.size(); ++size) {
      EXPECT_TRUE(IsAllZero({bytes.data() + begin, size})) << begin << " " << size;
    }
  }
}

TEST(IsAllZeroTest, FindsEachSingleBitWhereverItIs) {
  for (const size_t size : {1, 7, 8, 15, 16, 17, 127, 128, 129, 512, 1000}) {
    std::vector<std::byte> bytes(size);
    for (size_t at = 0; at < size; ++at) {
      bytes[at] = std::byte{1} << (at % 8);
      EXPECT_FALSE(IsAllZero(bytes)) << at << " of " << size;
      bytes[at] = std::byte{0};
    }
  }
}

TEST(IsAllZeroTest, DoesNotLookBeyondItsEnd) {
  std::vector<std::byte> bytes(300);
  bytes[299] = bytes[0] = std::byte{1};
  for (size_t size = 0; size < 299; ++size) {
    EXPECT_TRUE(IsAllZero({bytes.data() + 1, std::min<size_t>(size, 298)}));
  }
}

}  // namespace
}  // namespace hotcell::guest
