#include "guest/codecs/prefix_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <vector>

namespace hotcell::guest {
namespace {

std::vector<uint8_t> Lengths(const std::vector<uint32_t>& frequencies, int max_length) {
  std::vector<uint8_t> lengths(frequencies.size());
  MakeCodeLengths(frequencies, max_length, lengths);
  return lengths;
}

// The share of all strings of bits that begin with a code, in units of 2^-max_length.
uint64_t Share(const std::vector<uint8_t>& lengths, int max_length) {
  return std::accumulate(lengths.begin(), lengths.end(), uint64_t{0},
                         [&](uint64_t sum, uint8_t length) {
                           return sum + (length == 0 ? 0 : uint64_t{1} << (max_length - length));
                         });
}

TEST(PrefixCodeTest, RareSymbolsHaveLongCodes) {
  EXPECT_EQ(Lengths({8, 1, 0, 4, 2, 1}, 15), (std::vector<uint8_t>{1, 4, 0, 2, 3, 4}));
}

TEST(PrefixCodeTest, ThereAreAlwaysTwoCodes) {
  EXPECT_EQ(Lengths({0, 0, 0}, 15), (std::vector<uint8_t>{1, 1, 0}));
  EXPECT_EQ(Lengths({0, 0, 5}, 15), (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(Lengths({5, 0, 0}, 15), (std::vector<uint8_t>{1, 1, 0}));
}

TEST(PrefixCodeTest, CodesAreCompleteAndNoLongerThanAllowed) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const int max_length = round % 2 == 0 ? 15 : 7;
    std::vector<uint32_t> frequencies(max_length == 15 ? 286 : 19);
    for (uint32_t& frequency : frequencies) {
      // The frequencies are of all magnitudes, and many are zero.
      frequency = random() % 3 == 0 ? 0 : 1u << (random() % 20);
    }
    const std::vector<uint8_t> lengths = Lengths(frequencies, max_length);
    EXPECT_EQ(Share(lengths, max_length), uint64_t{1} << max_length) << round;
    EXPECT_LE(std::ranges::max(lengths), max_length) << round;
    for (size_t i = 0; i < frequencies.size(); ++i) {
      EXPECT_TRUE(frequencies[i] == 0 || lengths[i] > 0) << round << " " << i;
    }
  }
}

TEST(PrefixCodeTest, FrequenciesThatWantCodesTooLongGetCompleteOnes) {
  std::vector<uint32_t> fibonacci = {1, 1};
  while (fibonacci.size() < 30) fibonacci.push_back(fibonacci.end()[-1] + fibonacci.end()[-2]);
  const std::vector<uint8_t> lengths = Lengths(fibonacci, 15);
  EXPECT_EQ(Share(lengths, 15), 1u << 15);
  EXPECT_EQ(std::ranges::max(lengths), 15);
}

TEST(PrefixCodeTest, CodesAreThoseOfTheSpecification) {
  // The example of RFC 1951 section 3.2.2, each code turned around.
  const std::array<uint8_t, 8> lengths = {3, 3, 3, 3, 3, 2, 4, 4};
  std::array<uint16_t, 8> codes = {};
  MakeCodes(lengths, codes);
  EXPECT_EQ(codes,
            (std::array<uint16_t, 8>{0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111}));
}

}  // namespace
}  // namespace hotcell::guest
