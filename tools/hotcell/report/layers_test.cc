#include "tools/hotcell/report/layers.h"

#include <cerrno>

#include "gtest/gtest.h"
#include "hotcell/layers.h"
#include "tools/hotcell/common/error.h"

namespace hotcell::cli {
namespace {

v1::LayerResult Layer(v1::Layer layer, v1::LayerState state, int error) {
  v1::LayerResult result;
  result.set_layer(layer);
  result.set_state(state);
  result.set_error(error);
  return result;
}

TEST(LayerNameTest, IsTheEnumeratorInLowerCase) {
  EXPECT_EQ(LayerName(v1::LAYER_NO_NEW_PRIVS), "no-new-privs");
  EXPECT_EQ(LayerName(static_cast<v1::Layer>(99)), "layer-99");
}

TEST(ParseLayersTest, TakesNamesSeparatedByCommas) {
  EXPECT_EQ(ParseLayers("seccomp,user-namespace").value(),
            (std::vector<v1::Layer>{v1::LAYER_SECCOMP, v1::LAYER_USER_NAMESPACE}));
  EXPECT_EQ(ParseLayers("").value(), std::vector<v1::Layer>{});
}

TEST(ParseLayersTest, AllIsEachThatThereIs) {
  const std::vector<v1::Layer> all = ParseLayers("all").value();
  EXPECT_EQ(all.size(), static_cast<size_t>(v1::Layer_MAX));
  EXPECT_EQ(all.front(), v1::LAYER_NO_NEW_PRIVS);
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
  EXPECT_EQ(DescribeLayers({Layer(v1::LAYER_SECCOMP, v1::LAYER_STATE_ACHIEVED, 0),
                            Layer(v1::LAYER_LANDLOCK, v1::LAYER_STATE_UNAVAILABLE, ENOSYS),
                            Layer(v1::LAYER_RLIMITS, v1::LAYER_STATE_FAILED, EPERM)}),
            "seccomp; unavailable: landlock (Function not implemented); failed: rlimits (Operation "
            "not permitted)");
  EXPECT_EQ(DescribeLayers({}), "none");
}

}  // namespace
}  // namespace hotcell::cli
