#include "policy/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "policy/rules.h"

namespace hotcell::policy {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAreArray;

std::string NameOf(v1::Layer layer) {
  std::string name = v1::Layer_Name(layer).substr(std::string("LAYER_").size());
  std::ranges::transform(name, name.begin(), [](char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  return name;
}

TEST(LayersTest, EachLayerIsInTheTableOnce) {
  std::vector<int> listed;
  for (const LayerSpec& spec : kLayers) listed.push_back(spec.layer);
  std::vector<int> all;
  for (int i = v1::Layer_MIN + 1; i <= v1::Layer_MAX; ++i) all.push_back(i);
  EXPECT_THAT(listed, UnorderedElementsAreArray(all));
}

TEST(LayersTest, NamesAreTheEnumerators) {
  for (const LayerSpec& spec : kLayers) EXPECT_EQ(spec.name, NameOf(spec.layer));
}

TEST(LayersTest, EachSaysWhatItDoesAndWhy) {
  for (const LayerSpec& spec : kLayers) {
    EXPECT_STRNE(spec.does, "") << spec.name;
    EXPECT_STRNE(spec.why, "") << spec.name;
  }
}

TEST(LayersTest, StandInTheOrderOfTheirPhases) {
  EXPECT_TRUE(std::ranges::is_sorted(kLayers, {}, &LayerSpec::phase));
}

TEST(LayersTest, NoJobRunsWithoutThree) {
  std::vector<v1::Layer> required;
  for (const LayerSpec& spec : kLayers) {
    if (spec.required) required.push_back(spec.layer);
  }
  EXPECT_THAT(required,
              ElementsAre(v1::LAYER_NO_NEW_PRIVS, v1::LAYER_CLOSED_FDS, v1::LAYER_SECCOMP));
}

TEST(SpeculationTest, IsOffForGoodOnlyWhereNothingTurnsItOnAgain) {
  EXPECT_TRUE(IsOffForGood(PR_SPEC_NOT_AFFECTED));
  EXPECT_TRUE(IsOffForGood(PR_SPEC_DISABLE));
  EXPECT_TRUE(IsOffForGood(PR_SPEC_PRCTL | PR_SPEC_FORCE_DISABLE));
  EXPECT_FALSE(IsOffForGood(PR_SPEC_PRCTL | PR_SPEC_DISABLE));
  EXPECT_FALSE(IsOffForGood(PR_SPEC_PRCTL | PR_SPEC_ENABLE));
  EXPECT_FALSE(IsOffForGood(PR_SPEC_ENABLE));
  EXPECT_FALSE(IsOffForGood(-1));
}

TEST(LandlockTest, EachVersionKeepsWhatTheOnesBeforeHave) {
  for (size_t i = 1; i < std::size(kLandlock); ++i) {
    EXPECT_GT(kLandlock[i].abi, kLandlock[i - 1].abi);
    EXPECT_GE(kLandlock[i].fs_rights, kLandlock[i - 1].fs_rights);
    EXPECT_GE(kLandlock[i].net_rights, kLandlock[i - 1].net_rights);
    EXPECT_GE(kLandlock[i].scopes, kLandlock[i - 1].scopes);
  }
}

TEST(LimitsTest, SetUpMayLowerWhatTheRunStageNeedsAndNoOtherLimit) {
  std::multiset<uint64_t> allowed;
  for (const Rule& rule : kSetupRules) {
    if (rule.number == __NR_prlimit64) allowed.insert(rule.conditions[1].value);
  }
  std::multiset<uint64_t> lowered;
  for (const LimitSpec& limit : kRunLimits) lowered.insert(static_cast<uint64_t>(limit.resource));
  EXPECT_EQ(allowed, lowered);
}

TEST(LimitsTest, NoneIsRaisedAgain) {
  std::map<int, uint64_t> before;
  for (const LimitSpec& limit : kConfinementLimits) before[limit.resource] = limit.value;
  for (const LimitSpec& limit : kRunLimits) {
    const auto found = before.find(limit.resource);
    EXPECT_LE(limit.value, found == before.end() ? RLIM_INFINITY : found->second) << limit.name;
  }
}

}  // namespace
}  // namespace hotcell::policy
