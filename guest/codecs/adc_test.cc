#include "guest/codecs/adc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hotcell::guest {
namespace {

using testing::HasSubstr;

Status Unpack(std::string_view stream, std::string& out) {
  return UnpackAdc(std::as_bytes(std::span(stream)), std::as_writable_bytes(std::span(out)));
}

TEST(AdcTest, LiteralsAreCopied) {
  std::string out(5, '\0');
  EXPECT_TRUE(Unpack("\x82"
                     "abc\x81"
                     "de",
                     out)
                  .ok());
  EXPECT_EQ(out, "abcde");
}

TEST(AdcTest, ShortReferencesReachAThousandBytesBack) {
  std::string literals(1024, '\0');
  std::string stream;
  for (size_t i = 0; i < literals.size(); ++i) literals[i] = static_cast<char>(i / 4);
  for (size_t i = 0; i < literals.size(); i += 128) stream += "\xff" + literals.substr(i, 128);
  std::string out(1024 + 18, '\0');
  // 15 + 3 bytes, 0x3ff + 1 back.
  EXPECT_TRUE(Unpack(stream + "\x3f\xff", out).ok());
  EXPECT_EQ(out, literals + literals.substr(0, 18));
}

TEST(AdcTest, LongReferencesMayReachIntoWhatTheyMake) {
  std::string out(2 + 67, '\0');
  // 63 + 4 bytes, 1 + 1 back.
  EXPECT_TRUE(Unpack(std::string("\x81"
                                 "xy\x7f\x00\x01",
                                 6),
                     out)
                  .ok());
  std::string expected;
  while (expected.size() < out.size()) expected += expected.size() % 2 == 0 ? 'x' : 'y';
  EXPECT_EQ(out, expected);
}

TEST(AdcTest, PaddingAfterTheStreamIsIgnored) {
  std::string out(1, '\0');
  EXPECT_TRUE(Unpack("\x80"
                     "a\xff\xff",
                     out)
                  .ok());
}

TEST(AdcTest, StreamsThatLieAreCorrupt) {
  const struct {
    std::string stream;
    const char* error;
  } kCases[] = {
      {"", "less than a cluster"},
      {"\x80"
       "a",
       "less than a cluster"},
      {"\x80"
       "a\x7f\x01",
       "less than a cluster"},
      {"\x80"
       "a\x01",
       "less than a cluster"},
      {"\xff"
       "a",
       "more than a cluster"},
      {"\x80"
       "a\x7f\x01\x01",
       "more than a cluster"},
      {"\x83"
       "abc",
       "damaged"},
      {std::string("\x80"
                   "a\x00\x01",
                   4),
       "damaged"},
      {std::string("\x00\x00", 2), "damaged"},
  };
  for (const auto& one : kCases) {
    std::string out(8, '\0');
    const Status status = Unpack(one.stream, out);
    EXPECT_EQ(status.code(), Code::kCorruptImage);
    EXPECT_THAT(status.message(), HasSubstr(one.error));
  }
}

}  // namespace
}  // namespace hotcell::guest
