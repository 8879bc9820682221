#include "tools/hotcell/common/suggest.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kNames[] = {"convert", "info", "run", "doctor", "help"};

TEST(NearestTest, FindsOneLetterChangedMissingAddedOrSwapped) {
  EXPECT_EQ(Nearest("comvert", kNames), "convert");
  EXPECT_EQ(Nearest("convrt", kNames), "convert");
  EXPECT_EQ(Nearest("convertt", kNames), "convert");
  EXPECT_EQ(Nearest("ifno", kNames), "info");
  EXPECT_EQ(Nearest("rn", kNames), "run");
}

TEST(NearestTest, FindsNothingNear) {
  EXPECT_EQ(Nearest("snapshot", kNames), std::nullopt);
  EXPECT_EQ(Nearest("xyz", kNames), std::nullopt);
  EXPECT_EQ(Nearest(std::string(1000, 'i'), kNames), std::nullopt);
}

TEST(NearestTest, PrefersTheNearest) {
  constexpr std::string_view kFormats[] = {"qcow", "qcow2", "qed"};
  EXPECT_EQ(Nearest("qcow3", kFormats), "qcow");
  EXPECT_EQ(Nearest("qcwo2", kFormats), "qcow2");
}

}  // namespace
}  // namespace hotcell::cli
