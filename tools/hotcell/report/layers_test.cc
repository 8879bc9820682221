#include "tools/hotcell/report/layers.h"

#include <cerrno>

#include "gtest/gtest.h"
#include "hotcell/layers.h"
#include "tools/hotcell/common/error.h"

namespace hotcell::cli {
namespace {

TEST(LayerNameTest, IsOneForEach) {
  EXPECT_EQ(LayerName(Layer::kNoNewPrivs), "no-new-privs");
  EXPECT_EQ(LayerName(static_cast<Layer>(99)), "layer-99");
}

TEST(ParseLayersTest, TakesNamesSeparatedByCommas) {
  EXPECT_EQ(ParseLayers("seccomp,user-namespace").value(),
            (std::vector<Layer>{Layer::kSeccomp, Layer::kUserNamespace}));
  EXPECT_EQ(ParseLayers("").value(), std::vector<Layer>{});
}

TEST(ParseLayersTest, AllIsEachThatThereIs) {
  const std::vector<Layer> all = ParseLayers("all").value();
  EXPECT_EQ(all.size(), KnownLayers().size());
  EXPECT_EQ(all.front(), Layer::kNoNewPrivs);
}

TEST(ParseLayersTest, PointsToTheListWhenNothingIsNear) {
  EXPECT_EQ(ErrorLine("", ParseLayers("a-moat-and-a-wall").status()),
            "hotcell: unknown confinement layer 'a-moat-and-a-wall'; 'hotcell policy' lists "
            "them\n");
}

TEST(ParseLayersTest, SuggestsTheNearestName) {
  EXPECT_EQ(ErrorLine("", ParseLayers("secomp").status()),
            "hotcell: unknown confinement layer 'secomp'; did you mean 'seccomp'?\n");
}

TEST(DescribeLayersTest, TellsAchievedFromUnavailableAndFailed) {
  EXPECT_EQ(DescribeLayers({{Layer::kSeccomp, LayerState::kAchieved, 0},
                            {Layer::kLandlock, LayerState::kUnavailable, ENOSYS},
                            {Layer::kRlimits, LayerState::kFailed, EPERM}}),
            "seccomp; unavailable: landlock (Function not implemented); failed: rlimits (Operation "
            "not permitted)");
  EXPECT_EQ(DescribeLayers({}), "none");
}

}  // namespace
}  // namespace hotcell::cli
