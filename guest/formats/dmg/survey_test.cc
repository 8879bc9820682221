// What is said of disk images that other programs read otherwise.
#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guest/formats/dmg/dmg.h"
#include "guest/formats/dmg/test_image.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::dmg {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DmgSurveyTest : public testing::Test {
 protected:
  std::vector<ConcernKind> Look() {
    Survey survey;
    const Status status = SurveyDmg(io_, files_.Add(image_.MakeFile()), survey);
    EXPECT_TRUE(status.ok()) << status.message();
    std::vector<ConcernKind> kinds;
    for (const Concern& concern : survey.concerns()) kinds.push_back(concern.kind);
    return kinds;
  }
  static std::string WholeDisk(uint64_t offset = 0) {
    return BlockTable({Entry(kRaw, 0, 100, offset, 51200)});
  }
  // A property list that has `text` before that of the image.
  void SetTablesBehind(const std::string& text, const std::vector<std::string>& tables) {
    image_.SetTables(tables);
    image_.description = text + image_.description;
    image_.trailer.xml_length = uint64_t{image_.description.size()};
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  TestImage image_;
};

TEST_F(DmgSurveyTest, NothingIsSaidOfASoundImage) {
  image_.SetTables({WholeDisk()});
  EXPECT_THAT(Look(), IsEmpty());
  image_ = TestImage();
  image_.SetResourceFork({WholeDisk()});
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(DmgSurveyTest, ForkAndListMayAgree) {
  image_.SetTables({BlockTable({Entry(kRaw, 0, 50, 0, 25600), Entry(kComment, 0, 0, 0, 0)}),
                    BlockTable({Entry(kRaw, 0, 50, 25600, 25600)}, 50)});
  image_.SetResourceFork(
      {BlockTable({Entry(kRaw, 0, 50, 0, 25600), Entry(kRaw, 50, 50, 25600, 25600)})});
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(DmgSurveyTest, SectorsThatNoChunkHoldsAreNotUnderstood) {
  image_.SetTables({BlockTable({Entry(kRaw, 0, 50, 0, 25600), Entry(kZero, 51, 49, 0, 0)})});
  EXPECT_THAT(Look(), ElementsAre(ConcernKind::kNotUnderstood));
  image_.SetTables({BlockTable({Entry(kRaw, 0, 99, 0, 50688)})});
  EXPECT_THAT(Look(), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST_F(DmgSurveyTest, ForkAndListThatDisagreeAreTwoDisks) {
  const std::vector<std::vector<std::string>> lists = {
      {WholeDisk(512)},
      {},
      {BlockTable({Entry(kRaw, 0, 50, 0, 25600)})},
      // Damaged: a program that goes by it sees no disk.
      {BlockTable({Entry(kRaw, 0, 100, 0, 51200)}).substr(0, 210)}};
  for (const auto& list : lists) {
    image_ = TestImage();
    image_.SetTables(list);
    image_.SetResourceFork({WholeDisk()});
    EXPECT_THAT(Look(), ElementsAre(ConcernKind::kReadersDiffer));
  }
}

TEST_F(DmgSurveyTest, TablesOutsideOfTheirPlaceAreTakenByQemu) {
  SetTablesBehind("<key>plst</key><array><dict><key>Data</key><data>" +
                      Base64(BlockTable({Entry(kZero, 100, 1, 0, 0)})) + "</data></dict></array>",
                  {WholeDisk()});
  EXPECT_THAT(Look(), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST_F(DmgSurveyTest, MarkupThatOnlyAnXmlParserKnowsIsNotUnderstood) {
  for (const std::string text : {"<!-- <x> -->", "<![CDATA[", "<!ENTITY a 'b'>",
                                 "<key a='b'>x</key>", "<!DOCTYPE plist [<!ENTITY a 'b'>]>"}) {
    image_ = TestImage();
    SetTablesBehind(text, {WholeDisk()});
    EXPECT_THAT(Look(), ElementsAre(ConcernKind::kNotUnderstood)) << text;
  }
  image_ = TestImage();
  SetTablesBehind(
      "<?xml version=\"1.0\"?><!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"x\">",
      {WholeDisk()});
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(DmgSurveyTest, SecondTrailerIsAnotherDisk) {
  image_.SetTables({WholeDisk()});
  image_.data.replace(0, 4, "koly");
  EXPECT_THAT(Look(), ElementsAre(ConcernKind::kReadersDiffer));
  // QEMU takes the first in the last 1023 bytes.
  for (const size_t before : {4, 511}) {
    image_ = TestImage();
    image_.SetTables({WholeDisk()});
    image_.description.resize(image_.description.size() + 600, ' ');
    image_.description.replace(image_.description.size() - before, 4, "koly");
    EXPECT_THAT(Look(), ElementsAre(ConcernKind::kReadersDiffer)) << before;
  }
}

// An ext2 superblock.
TEST_F(DmgSurveyTest, FileThatBeginsWithAnotherDiskIsTwoDisks) {
  image_.data.replace(1080, 2, "\x53\xef");
  image_.SetTables({WholeDisk()});
  EXPECT_THAT(Look(), IsEmpty());
  image_.SetTables({BlockTable({Entry(kRaw, 0, 2, 0, 1024), Entry(kRaw, 2, 98, 1024, 50176)})});
  EXPECT_THAT(Look(), IsEmpty());
  image_.SetTables({BlockTable({Entry(kRaw, 0, 2, 0, 1024), Entry(kZero, 2, 98, 0, 0)})});
  EXPECT_THAT(Look(), ElementsAre(ConcernKind::kOtherDisk));
  image_.SetTables({WholeDisk(512)});
  EXPECT_THAT(Look(), ElementsAre(ConcernKind::kOtherDisk));
}

}  // namespace
}  // namespace hotcell::guest::dmg
