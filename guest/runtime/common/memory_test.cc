#include "guest/runtime/common/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace hotcell::guest {
namespace {

// Sizes around every change of method, and both ends of a page.
const std::vector<size_t> kSizes = {0,   1,   2,   3,    4,    5,    7,    8,   9,   15,
                                    16,  17,  31,  32,   33,   47,   48,   63,  64,  65,
                                    96,  127, 128, 129,  191,  192,  255,  256, 257, 511,
                                    512, 513, 600, 1023, 1024, 4095, 4096, 4097};

std::string Noise(size_t size) {
  std::minstd_rand random(static_cast<unsigned>(size) + 1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
  return bytes;
}

int Sign(int value) { return (value > 0) - (value < 0); }

TEST(MoveBytes, EqualsMemmoveForEveryOverlap) {
  for (const size_t size : kSizes) {
    for (const size_t distance : {0u, 1u, 3u, 8u, 15u, 16u, 17u, 63u, 64u, 65u, 200u, 600u}) {
      const std::string before = Noise(size + 1202);
      std::string expected = before;
      std::string actual = before;
      std::memmove(expected.data() + 1 + distance, expected.data() + 1, size);
      EXPECT_EQ(MoveBytes(actual.data() + 1 + distance, actual.data() + 1, size),
                actual.data() + 1 + distance);
      ASSERT_EQ(actual, expected) << size << " bytes up by " << distance;

      expected = before;
      actual = before;
      std::memmove(expected.data() + 1, expected.data() + 1 + distance, size);
      MoveBytes(actual.data() + 1, actual.data() + 1 + distance, size);
      ASSERT_EQ(actual, expected) << size << " bytes down by " << distance;
    }
  }
}

TEST(MoveBytes, TouchesNothingOutsideItsRanges) {
  for (const size_t size : kSizes) {
    const std::vector<char> from(size, 'x');  // exact allocations, for AddressSanitizer
    std::vector<char> to(size);
    MoveBytes(to.data(), from.data(), size);
    EXPECT_EQ(to, from);
  }
}

TEST(FillBytes, EqualsMemset) {
  for (const size_t size : kSizes) {
    for (const int byte : {0, 1, 0x80, 0xff, 0x1ff}) {
      std::string expected = Noise(size + 2);
      std::string actual = expected;
      std::memset(expected.data() + 1, byte, size);
      EXPECT_EQ(FillBytes(actual.data() + 1, byte, size), actual.data() + 1);
      ASSERT_EQ(actual, expected) << size << " bytes of " << byte;
    }
  }
}

TEST(CompareBytes, HasTheSignOfMemcmpWhereverTheFirstDifferenceIs) {
  for (const size_t size : kSizes) {
    const std::string a = Noise(size);
    EXPECT_EQ(CompareBytes(a.data(), a.data(), size), 0);
    for (size_t at = 0; at < size; at += 1 + size / 37) {
      std::string b = a;
      b[at] = static_cast<char>(b[at] ^ 0x80);
      ASSERT_EQ(Sign(CompareBytes(a.data(), b.data(), size)),
                Sign(std::memcmp(a.data(), b.data(), size)))
          << size << " bytes, different at " << at;
      ASSERT_EQ(CompareBytes(a.data(), b.data(), at), 0);
    }
  }
}

TEST(FindByte, EqualsMemchr) {
  using std::string_literals::operator""s;
  const std::string text = "a\xff z\0b"s;  // NOLINT(bugprone-string-literal-with-embedded-nul)
  for (int byte = 0; byte < 512; ++byte) {
    EXPECT_EQ(FindByte(text.data(), byte, text.size()), std::memchr(text.data(), byte, text.size()))
        << byte;
  }
}

TEST(TextLength, EqualsStrlen) {
  EXPECT_EQ(TextLength(""), 0u);
  EXPECT_EQ(TextLength("twelve bytes"), 12u);
}

}  // namespace
}  // namespace hotcell::guest
