#include "tools/hotcell/report/policy_text.h"

#include <gmock/gmock.h>

#include <set>

#include "gtest/gtest.h"
#include "hotcell/layers.h"
#include "nlohmann/json.hpp"

namespace hotcell::cli {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

class PolicyTextTest : public testing::Test {
 protected:
  const ordered_json policy_ = ordered_json::parse(PolicyDescription());
  const std::string text_ = PolicyText(PolicyDescription());
};

TEST_F(PolicyTextTest, ShowsEveryRule) {
  size_t rules = 0;
  for (const auto& table : policy_["tables"]) {
    ASSERT_FALSE(table["rules"].empty()) << table["name"];
    rules += table["rules"].size();
    for (const auto& rule : table["rules"]) {
      EXPECT_THAT(text_, HasSubstr("\n  " + rule["call"].get<std::string>() + " "));
    }
  }
  EXPECT_GT(rules, 40u);
}

TEST_F(PolicyTextTest, ShowsEveryLayerThatAWorkerMayReport) {
  std::set<std::string> described;
  for (const auto& layer : policy_["layers"]) described.insert(layer["name"]);
  for (const Layer layer : KnownLayers()) {
    const std::string name = LayerName(layer);
    EXPECT_TRUE(described.contains(name)) << name;
    EXPECT_THAT(text_, HasSubstr("\n  " + name + " ")) << name;
  }
}

TEST_F(PolicyTextTest, MarksTheLayersWithoutWhichNothingRuns) {
  for (const char* const name : {"no-new-privs", "closed-fds", "seccomp"}) {
    EXPECT_THAT(text_, HasSubstr("\n  " + std::string(name) + " * "));
  }
}

TEST_F(PolicyTextTest, FitsAHundredColumns) {
  size_t begin = 0;
  for (size_t end = 0; (end = text_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    EXPECT_LE(end - begin, 100u) << text_.substr(begin, end - begin);
  }
}

TEST_F(PolicyTextTest, ConditionsAreWordsForPeopleAndNumbersForPrograms) {
  const auto& hottest = policy_["tables"][0]["rules"][0];
  EXPECT_EQ(hottest["call"], "ioctl");
  EXPECT_EQ(hottest["conditions"][0]["words"], "request is KVM_RUN");
  EXPECT_EQ(hottest["conditions"][0]["value"], 0xae80);
  EXPECT_EQ(hottest["conditions"][1]["match"], "lane");
}

TEST_F(PolicyTextTest, EachFilterHasALength) {
  for (const auto& filter : policy_["filters"]) {
    for (const auto& instructions : filter["instructions"]) EXPECT_GT(instructions, 10);
  }
}

}  // namespace
}  // namespace hotcell::cli
