#include "base/utf8.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace hotcell {
namespace {

std::string Encoded(uint32_t point) {
  std::string out = "<";
  AppendUtf8(out, point);
  return out;
}

TEST(AppendUtf8, EncodesTheFirstAndLastPointOfEachLength) {
  EXPECT_EQ(Encoded(0), std::string("<\0", 2));
  EXPECT_EQ(Encoded(0x7f), "<\x7f");
  EXPECT_EQ(Encoded(0x80), "<\xc2\x80");
  EXPECT_EQ(Encoded(0x7ff), "<\xdf\xbf");
  EXPECT_EQ(Encoded(0x800), "<\xe0\xa0\x80");
  EXPECT_EQ(Encoded(0xffff), "<\xef\xbf\xbf");
  EXPECT_EQ(Encoded(0x10000), "<\xf0\x90\x80\x80");
  EXPECT_EQ(Encoded(0x10ffff), "<\xf4\x8f\xbf\xbf");
}

TEST(AppendUtf8, AgreesWithTheCompiler) {
  EXPECT_EQ(Encoded(U'ä') + Encoded(U'€') + Encoded(U'😀'), "<ä<€<😀");
}

}  // namespace
}  // namespace hotcell
