// What is said of cloop files that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/formats/cloop/cloop.h"
#include "guest/formats/cloop/test_image.h"
#include "guest/formats/testing/survey_of.h"

namespace hotcell::guest::cloop {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<ConcernKind> Kinds(const TestImage& image) {
  return KindsOf(SurveyOf(kCloopFormat, image.bytes()));
}

TEST(CloopSurveyTest, SoundImageIsNoConcernAndCostsOffsetsAndTwoBlocks) {
  const Survey survey = SurveyOf(kCloopFormat, TestImage().bytes());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_EQ(survey.reader_memory(), 4 * sizeof(Be64) + 512 + TestImage::kStream);
}

TEST(CloopSurveyTest, OffsetsOutOfOrderAreNotUnderstood) {
  TestImage image;
  image.SetOffset(2, TestImage::kData);

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(CloopSurveyTest, FirstBlockInTheTableIsNotUnderstood) {
  TestImage image;
  image.SetOffset(0, TestImage::kData - 8);

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(CloopSurveyTest, LastBlockPastTheEndIsNotUnderstood) {
  TestImage image;
  image.SetOffset(3, image.bytes().size() + 1);

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(CloopSurveyTest, LongStreamsCostTheirLength) {
  TestImage image;
  image.Resize(8 << 20);
  image.SetOffset(3, 8 << 20);

  EXPECT_GT(SurveyOf(kCloopFormat, image.bytes()).reader_memory(), (8u << 20) - 4096);
}

}  // namespace
}  // namespace hotcell::guest::cloop
