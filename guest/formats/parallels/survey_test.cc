// What is said of Parallels images that other programs take otherwise, or pay for.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "guest/formats/parallels/parallels.h"
#include "guest/formats/parallels/test_image.h"
#include "guest/formats/testing/survey_of.h"

namespace hotcell::guest::parallels {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<ConcernKind> Kinds(const TestImage& image) {
  return KindsOf(SurveyOf(kParallelsFormat, image.MakeFile()));
}

// An extension with a dirty bitmap for each granularity, in sectors.
void AddBitmaps(TestImage& image, const std::vector<uint64_t>& granularities) {
  image.extension = {kExtensionMagic, 0, 0};
  for (const uint64_t granularity : granularities) {
    const std::vector<uint64_t> feature = {
        kFeatureDirtyBitmap, 0, sizeof(DirtyBitmapFeature), image.header.nb_sectors, 0, 0,
        granularity};
    image.extension.insert(image.extension.end(), feature.begin(), feature.end());
  }
  image.extension.insert(image.extension.end(), {kFeatureEnd, 0, 0});
  image.header.ext_off = uint64_t{5 * kTracks};
  image.file_size = 6 * kCluster;
}

TEST(ParallelsSurveyTest, SoundImageIsNoConcernAndCostsItsTable) {
  const Survey survey = SurveyOf(kParallelsFormat, TestImage().MakeFile());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  EXPECT_EQ(survey.reader_memory(), sizeof(Header) + 16);
}

TEST(ParallelsSurveyTest, DataAreaInTheTableIsReadDifferently) {
  TestImage image;
  image.header.data_off = 0u;

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(ParallelsSurveyTest, ClusterBeforeTheDataAreaIsReadDifferently) {
  TestImage image;
  image.header.data_off = 2 * kTracks;
  image.bat = {0, 2, 1, 3};

  EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(ParallelsSurveyTest, GapBeforeTheDataAreaIsNoConcern) {
  TestImage image;
  image.header.data_off = 2 * kTracks;
  image.bat = {0, 2, 3, 4};

  EXPECT_THAT(Kinds(image), IsEmpty());
}

TEST(ParallelsSurveyTest, OldKindNeedNotSayWhereDataStarts) {
  TestImage image(kMagic);
  image.header.data_off = 0u;

  EXPECT_THAT(Kinds(image), IsEmpty());
}

TEST(ParallelsSurveyTest, MemoryForBitmapsAddsUp) {
  TestImage image;
  image.header.tracks = 1u << 20;  // clusters of 512 MiB
  image.header.nb_sectors = uint64_t{4 << 20};
  image.header.data_off = 0u;
  image.SetMagic(kMagic);
  AddBitmaps(image, {1, 1, 1024});

  const Survey survey = SurveyOf(kParallelsFormat, image.MakeFile());

  EXPECT_THAT(survey.concerns(), IsEmpty());
  // Two clusters are held besides the bits: 2^22 twice, and 2^12.
  EXPECT_GT(survey.reader_memory(), (1u << 30) + (1u << 20));
  EXPECT_LT(survey.reader_memory(), (1u << 30) + (1u << 20) + (64u << 10));
}

TEST(ParallelsSurveyTest, GranularityThatMakesProgramsAbortIsNotUnderstood) {
  for (const uint64_t granularity : {0u, 3u, 1u << 23}) {
    TestImage image;
    AddBitmaps(image, {granularity});

    EXPECT_THAT(Kinds(image), ElementsAre(ConcernKind::kNotUnderstood)) << granularity;
  }
}

}  // namespace
}  // namespace hotcell::guest::parallels
