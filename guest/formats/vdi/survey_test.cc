// What is said of VDIs that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/formats/testing/survey_of.h"
#include "guest/formats/vdi/test_image.h"
#include "guest/formats/vdi/vdi.h"

namespace hotcell::guest::vdi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<ConcernKind> Kinds(const TestImage& image) {
  return KindsOf(SurveyOf(kVdiFormat, image.MakeFile()));
}

TEST(VdiSurveyTest, SoundImageIsNoConcernAndCostsItsMap) {
  const Survey survey = SurveyOf(kVdiFormat, TestImage().MakeFile());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_EQ(survey.reader_memory(), 16u);
}

TEST(VdiSurveyTest, SizeOfNoWholeSectorsIsReadDifferently) {
  TestImage image;
  image.header.disk_size = 4 * kBlockSize - 24;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(VdiSurveyTest, HeaderOfAnotherLengthIsOdd) {
  TestImage image;
  image.header.header_size = 0x1000u;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kOddity));
}

TEST(VdiSurveyTest, HeaderOfVirtualBoxIsNotOdd) {
  TestImage image;
  image.header.header_size = 0x190u;

  EXPECT_THAT(Kinds(image), IsEmpty());
}

TEST(VdiSurveyTest, MapIsLoadedWhateverTheDiskNeedsOfIt) {
  TestImage image;
  image.header.blocks_in_image = 1u << 18;
  image.header.offset_data = 2u << 20;

  const Survey survey = SurveyOf(kVdiFormat, image.MakeFile());

  EXPECT_THAT(KindsOf(survey), ElementsAre(ConcernKind::kOddity));
  EXPECT_EQ(survey.reader_memory(), 1u << 20);
}

}  // namespace
}  // namespace hotcell::guest::vdi
