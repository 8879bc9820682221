// What is said of Bochs images that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/formats/bochs/bochs.h"
#include "guest/formats/bochs/test_image.h"
#include "guest/formats/testing/survey_of.h"

namespace hotcell::guest::bochs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BochsSurveyTest, SoundImageIsNoConcernAndCostsItsCatalog) {
  const Survey survey = SurveyOf(kBochsFormat, TestImage().bytes());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_EQ(survey.reader_memory(), kEntries * sizeof(Le32));
}

TEST(BochsSurveyTest, SizeOfNoWholeSectorsIsReadDifferently) {
  TestImage image;
  image.header().disk = kDisk - 24;

  EXPECT_THAT(KindsOf(SurveyOf(kBochsFormat, image.bytes())),
              ElementsAre(ConcernKind::kReadersDiffer));
}

}  // namespace
}  // namespace hotcell::guest::bochs
