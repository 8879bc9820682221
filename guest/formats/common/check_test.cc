#include "guest/formats/common/check.h"

#include <gtest/gtest.h>

namespace hotcell::guest {
namespace {

using Kind = CheckFinding::Kind;

TEST(CheckResultTest, CountsFindingsByTheirKind) {
  CheckResult result;
  result.Add(Kind::kLeak, "lost");
  result.Add(Kind::kCorruption, "wrong");
  result.Add(Kind::kCorruption, "wrong as well");
  EXPECT_EQ(result.leaks, 1u);
  EXPECT_EQ(result.corruptions, 2u);
  EXPECT_EQ(result.findings.size(), 3u);
  EXPECT_EQ(result.findings[2].text, "wrong as well");
}

TEST(CheckResultTest, MakesNoTextThatIsNotKept) {
  CheckResult result;
  size_t texts = 0;
  for (size_t i = 0; i < CheckResult::kMaxFindings + 50; ++i) {
    result.Add(Kind::kLeak, [&] { return std::to_string(++texts); });
  }
  EXPECT_EQ(result.leaks, CheckResult::kMaxFindings + 50);
  EXPECT_EQ(texts, CheckResult::kMaxFindings);
}

}  // namespace
}  // namespace hotcell::guest
