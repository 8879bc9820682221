#include "base/expected.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace hotcell {
namespace {

struct Fault {
  int number = 0;
};

using IntOr = Expected<int, Fault>;

IntOr Half(int number) {
  if (number % 2 != 0) return Fault{number};
  return number / 2;
}

TEST(Expected, HasTheValueOrTheError) {
  const IntOr half = Half(8);
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(*half, 4);
  EXPECT_EQ(half.value(), 4);

  const IntOr fault = Half(7);
  EXPECT_FALSE(fault.ok());
  EXPECT_EQ(fault.error().number, 7);
}

TEST(Expected, GivesItsValueAway) {
  Expected<std::unique_ptr<std::string>, Fault> text = std::make_unique<std::string>("moved");
  EXPECT_EQ((*text)->size(), 5u);
  const std::unique_ptr<std::string> taken = std::move(text.value());
  EXPECT_EQ(*taken, "moved");
  EXPECT_EQ(*text, nullptr);
}

TEST(Expected, ReachesIntoItsValue) {
  Expected<std::string, Fault> text = std::string("long");
  text->append("er");
  EXPECT_EQ(text->size(), 6u);
}

}  // namespace
}  // namespace hotcell
