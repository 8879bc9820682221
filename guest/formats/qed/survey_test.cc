// What is said of QED images that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/formats/qed/qed.h"
#include "guest/formats/qed/test_image.h"
#include "guest/formats/testing/survey_of.h"

namespace hotcell::guest::qed {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<ConcernKind> Kinds(const TestImage& image) {
  return KindsOf(SurveyOf(kQedFormat, image.bytes()));
}

TEST(QedSurveyTest, SoundImageIsNoConcernAndCostsItsTables) {
  const Survey survey = SurveyOf(kQedFormat, TestImage().bytes());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_EQ(survey.reader_memory(), 2 * TestImage::kCluster);
}

TEST(QedSurveyTest, BackingFileWithoutANameIsAReference) {
  TestImage image;
  image.SetBackingName(64, 0);

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kHiddenReference));
}

TEST(QedSurveyTest, NameWithoutItsBitAndBitsWithoutAMeaningAreOdd) {
  TestImage image;
  image.header().backing_filename_size = 5u;
  image.header().compat_features = 1u;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kOddity, ConcernKind::kOddity));
}

TEST(QedSurveyTest, L1TableOnTheHeaderIsNotUnderstood) {
  TestImage image;
  image.header().l1_table_offset = 0u;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(QedSurveyTest, TablesAreLoadedWhole) {
  TestImage image;
  image.header().cluster_size = 16u << 20;
  image.header().table_size = 16u;
  image.header().l1_table_offset = 16u << 20;

  EXPECT_EQ(SurveyOf(kQedFormat, image.bytes()).reader_memory(), 2u * (256 << 20));
}

}  // namespace
}  // namespace hotcell::guest::qed
