#include "guest/ops/pipeline/zero_detect.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace hotcell::guest {
namespace {

// The sizes go up to three steps of the widest vectors and some bytes.
constexpr size_t kMostBytes = 1700;
constexpr size_t kAlignments = 65;

class ZeroDetectorTest : public testing::TestWithParam<ZeroDetector> {
 protected:
  bool IsAllZero(std::span<const std::byte> data) { return GetParam().is_all_zero(data); }
};

TEST_P(ZeroDetectorTest, IsTrueForZeroesOfAnyLengthAndAlignmentWhateverLiesAround) {
  for (size_t begin = 1; begin < kAlignments; ++begin) {
    for (size_t size = 0; size <= kMostBytes; size += begin == 1 ? 1 : 31) {
      std::vector<std::byte> bytes(begin + size + 1);
      bytes.front() = bytes[begin - 1] = bytes.back() = std::byte{0xff};
      EXPECT_TRUE(IsAllZero({bytes.data() + begin, size})) << begin << " " << size;
    }
  }
}

TEST_P(ZeroDetectorTest, FindsEachSingleBitWhereverItIs) {
  for (const size_t size :
       {1, 7, 8, 15, 16, 17, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1000, 1024, 1700}) {
    for (size_t begin = 0; begin < kAlignments; begin += 13) {
      std::vector<std::byte> bytes(begin + size);
      for (size_t at = 0; at < size; ++at) {
        bytes[begin + at] = std::byte{1} << (at % 8);
        EXPECT_FALSE(IsAllZero({bytes.data() + begin, size}))
            << at << " of " << size << " at " << begin;
        bytes[begin + at] = std::byte{0};
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vectors, ZeroDetectorTest,
                         testing::ValuesIn(ZeroDetectors().begin(), ZeroDetectors().end()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(IsAllZeroTest, TellsZeroesFromOthersFromTheFirstCallOn) {
  std::vector<std::byte> bytes(4096);
  EXPECT_TRUE(IsAllZero(bytes));
  bytes[2048] = std::byte{1};
  EXPECT_FALSE(IsAllZero(bytes));
}

}  // namespace
}  // namespace hotcell::guest
