// What is said of qcow images that other programs take otherwise.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/formats/qcow/qcow.h"
#include "guest/formats/qcow/test_image.h"
#include "guest/formats/testing/survey_of.h"

namespace hotcell::guest::qcow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(QcowSurveyTest, SoundImageIsNoConcernAndCostsLittle) {
  const Survey survey = SurveyOf(kQcowFormat, TestImage().bytes());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_LT(survey.reader_memory(), 1u << 20);
}

TEST(QcowSurveyTest, SizeOfNoWholeSectorsIsReadDifferently) {
  TestImage image;
  image.header().size = 1000u;

  const Survey survey = SurveyOf(kQcowFormat, image.bytes());

  ASSERT_THAT(KindsOf(survey), ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(survey.concerns()[0].text, HasSubstr("cut it to 512"));
}

TEST(QcowSurveyTest, L1TablePastTheEndOfTheFileIsNotUnderstood) {
  TestImage image;
  image.header().l1_table_offset = 1u << 20;

  EXPECT_THAT(KindsOf(SurveyOf(kQcowFormat, image.bytes())),
              ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(QcowSurveyTest, L1TableIsLoadedAsFarAsTheDiskNeedsIt) {
  TestImage image;
  image.Resize(16 << 20);
  image.header().size = 2ull << 40;  // 2^20 L2 tables

  EXPECT_GE(SurveyOf(kQcowFormat, image.bytes()).reader_memory(), 8u << 20);
}

}  // namespace
}  // namespace hotcell::guest::qcow
