#include "broker/workers/steps.h"

#include <gtest/gtest.h>

#include <climits>
#include <set>
#include <string>

namespace hotcell::broker {
namespace {

TEST(StepsTest, EachHasWordsOfItsOwn) {
  std::set<std::string> texts;
  for (int number = 1; number <= v1::Step_MAX; ++number) {
    ASSERT_TRUE(v1::Step_IsValid(number)) << number;
    const std::string text = StepText(static_cast<v1::Step>(number));
    EXPECT_EQ(text.find("not known"), std::string::npos) << number;
    EXPECT_TRUE(texts.insert(text).second) << text;
  }
}

TEST(StepsTest, AreKvmsWhereTheyHaveTheNameOfItsCall) {
  for (int number = 1; number <= v1::Step_MAX; ++number) {
    const auto step = static_cast<v1::Step>(number);
    EXPECT_EQ(IsKvmStep(step), StepText(step).starts_with("KVM_")) << StepText(step);
  }
}

TEST(StepsTest, ThatNobodyKnowsAreNumbers) {
  EXPECT_EQ(StepText(v1::STEP_UNSPECIFIED), "take step 0, which is not known");
  EXPECT_EQ(StepText(static_cast<v1::Step>(INT_MIN)), "take step -2147483648, which is not known");
  EXPECT_FALSE(IsKvmStep(v1::STEP_UNSPECIFIED));
  EXPECT_FALSE(IsKvmStep(static_cast<v1::Step>(INT_MAX)));
}

}  // namespace
}  // namespace hotcell::broker
