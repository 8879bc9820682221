#include "guest/formats/common/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guest/formats/vmdk/test_image.h"
#include "guest/formats/vmdk/vmdk.h"

namespace hotcell::guest::vmdk {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class VmdkSurveyTest : public testing::Test {
 protected:
  Survey SurveyBytes(std::vector<std::byte> bytes) {
    NativeFiles files;
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(std::move(bytes)));
    NativeChannel io(files);
    Survey survey;
    const Status status = SurveyVmdk(io, file, survey);
    EXPECT_TRUE(status.ok()) << status.message();
    return survey;
  }
  // "differ: text" and so on.
  std::vector<std::string> Concerns() { return Texts(SurveyBytes(image_.Bytes())); }
  static std::vector<std::string> Texts(const Survey& survey) {
    std::vector<std::string> texts;
    for (const Concern& concern : survey.concerns()) {
      const char* kind = concern.kind == ConcernKind::kHiddenReference ? "reference: "
                         : concern.kind == ConcernKind::kOddity        ? "odd: "
                         : concern.kind == ConcernKind::kReadersDiffer ? "differ: "
                                                                       : "not understood: ";
      texts.push_back(kind + concern.text);
    }
    return texts;
  }

  // Makes a stream with a footer of the image, which has no grains.
  void MakeStream() {
    image_.header.version = 3;
    image_.header.flags = kFlagNewlineDetection | kFlagCompressed | kFlagMarkers;
    image_.header.compressAlgorithm = kCompressionDeflate;
    image_.header.rgdOffset = 0;
    image_.descriptor = DescriptorText("streamOptimized", "RW 2048 SPARSE \"image.vmdk\"\n");
    footer_ = image_.header;
    image_.header.gdOffset = kGdAtEnd;
  }
  void PutFooter() {
    StreamEnd end = {};
    end.footer_marker.numSectors = 1;
    end.footer_marker.type = kMarkerFooter;
    end.footer = footer_;
    image_.file.Put(image_.file.size(), end);
  }

  SparseFile image_;
  SparseExtentHeader footer_{};
};

TEST_F(VmdkSurveyTest, ASoundImageRaisesNoConcern) {
  EXPECT_THAT(Concerns(), IsEmpty());

  MakeStream();
  PutFooter();
  EXPECT_THAT(Concerns(), IsEmpty());
}

TEST_F(VmdkSurveyTest, GrainsRightBehindAShortDescriptorAreNoConcern) {
  image_.header.descriptorSize = 1;
  image_.header.rgdOffset = 0;
  image_.header.flags = kFlagNewlineDetection;
  image_.header.gdOffset = 2;
  image_.file.Fill(3 * kSectorSize, 18 * kSectorSize, 0xa5);

  EXPECT_THAT(Concerns(), IsEmpty());
}

TEST_F(VmdkSurveyTest, ADescriptorElsewhereIsAConcern) {
  image_.file.PutText(40 * kSectorSize, image_.descriptor);
  image_.header.descriptorOffset = 40;
  image_.descriptor = DescriptorText("monolithicFlat", "", "parentFileNameHint=\"x\"\n");

  EXPECT_THAT(Concerns(), AllOf(Contains(HasSubstr("the descriptor at 0x5000")),
                                Contains(StartsWith("reference: vmdk: what is there"))));
}

TEST_F(VmdkSurveyTest, TextBehindTheDescriptorIsAConcern) {
  image_.header.descriptorSize = 2;
  image_.file.PutText(10 * kSectorSize, "parentFileNameHint=\"x\"");
  EXPECT_THAT(Concerns(), ElementsAre(StartsWith("reference: vmdk: what follows")));
}

TEST_F(VmdkSurveyTest, ADescriptorWithoutAnEndIsAConcern) {
  image_.header.descriptorSize = 1;
  image_.descriptor.resize(kSectorSize, '\n');
  EXPECT_THAT(Concerns(), IsEmpty());

  image_.descriptor += "ddb.x = \"1\"\n";
  EXPECT_THAT(Concerns(), ElementsAre(HasSubstr("fills its sectors")));
}

TEST_F(VmdkSurveyTest, ADescriptorLongerThanTheWindowIsAConcern) {
  image_.header.rgdOffset = 0;
  image_.header.gdOffset = 60;
  image_.header.flags = kFlagNewlineDetection;
  image_.header.descriptorSize = 30;
  image_.file.Fill(0, 60 * kSectorSize, 0);
  image_.descriptor.resize(20 * kSectorSize, '\n');

  EXPECT_THAT(Concerns(), ElementsAre(HasSubstr("has 10240 bytes")));
}

TEST_F(VmdkSurveyTest, WhatIsBehindANulIsAConcern) {
  image_.descriptor += std::string("\0parentFileNameHint=\"x\"", 24);
  EXPECT_THAT(Concerns(),
              ElementsAre(StartsWith("not understood: vmdk: the descriptor goes on"),
                          AllOf(StartsWith("reference: "), HasSubstr("parentFileNameHint"))));
}

TEST_F(VmdkSurveyTest, AParentsContentIdIsAReference) {
  image_.descriptor.replace(image_.descriptor.find("ffffffff"), 8, "00000001");
  EXPECT_THAT(Concerns(), ElementsAre(AllOf(StartsWith("reference"), HasSubstr("00000001"))));
}

TEST_F(VmdkSurveyTest, TheExtentLineSaysWhatTheHeaderSays) {
  const struct {
    std::string_view lines;
    std::string_view concern;
  } cases[] = {
      {"", "0 extent lines"},
      {"RW 2048 SPARSE \"x\"\nRW 1 SPARSE \"y\"\n", "2 extent lines"},
      {"RW 2047 SPARSE \"x\"\n", "2047 sectors"},
      {"RW 2049 SPARSE \"x\"\n", "2049 sectors"},
      {"RW 2048 VMFSSPARSE \"x\"\n", "'VMFSSPARSE'"},
      {"RW 2048 FLAT \"x\" 0\n", "'FLAT'"},
      {"NOACCESS 2048 SPARSE \"x\"\n", "'NOACCESS'"},
  };
  for (const auto& [lines, concern] : cases) {
    image_.descriptor = DescriptorText("monolithicSparse", lines);
    EXPECT_THAT(Concerns(), Contains(HasSubstr(std::string(concern)))) << lines;
  }
}

TEST_F(VmdkSurveyTest, TheTypeSaysWhatTheHeaderSays) {
  for (const char* type : {"streamOptimized", "vmfs", "custom", ""}) {
    image_.descriptor = DescriptorText(type, "RW 2048 SPARSE \"x\"\n");
    EXPECT_THAT(Concerns(), Contains(HasSubstr("createType"))) << type;
  }
}

TEST_F(VmdkSurveyTest, FlagsOfTheHeaderHaveToAgree) {
  for (const uint32_t flags : {1u << 3, 1u << 31, kFlagMarkers, kFlagZeroedGrains}) {
    image_.header.flags = kFlagNewlineDetection | flags;
    EXPECT_THAT(Concerns(), Contains(HasSubstr("the header"))) << flags;
  }
}

TEST_F(VmdkSurveyTest, ZeroedGrainsAreOfVersion2OrOfStreams) {
  image_.header.flags = kFlagNewlineDetection | kFlagZeroedGrains;
  for (const uint32_t version : {1, 3}) {
    image_.header.version = version;
    EXPECT_THAT(Concerns(), ElementsAre(StartsWith("differ: "))) << version;
  }
  image_.header.version = 2;
  EXPECT_THAT(Concerns(), ElementsAre(StartsWith("odd: ")));

  MakeStream();
  image_.header.gdOffset = SparseFile::kGd;
  image_.header.flags = image_.header.flags | kFlagZeroedGrains;
  EXPECT_THAT(Concerns(), ElementsAre(StartsWith("odd: ")));
}

TEST_F(VmdkSurveyTest, AStreamBeginsBehindTheDescriptor) {
  MakeStream();
  image_.header.overHead = 20;
  footer_.overHead = 20;
  PutFooter();
  EXPECT_THAT(Concerns(), ElementsAre(HasSubstr("the stream begins at sector 20")));
}

TEST_F(VmdkSurveyTest, AFooterHasToAgreeWithTheHeader) {
  MakeStream();
  footer_.version = 1;
  footer_.flags = footer_.flags | kFlagZeroedGrains;
  footer_.descriptorOffset = 40;
  footer_.overHead = 60;
  PutFooter();
  EXPECT_THAT(Concerns(), ElementsAre(HasSubstr("version 3, the footer 1"), HasSubstr("flags"),
                                      HasSubstr("descriptorOffset 1, the footer 40"),
                                      HasSubstr("overHead 128, the footer 60")));
}

TEST_F(VmdkSurveyTest, AFooterThatNobodyPromisedHasToAgreeToo) {
  MakeStream();
  image_.header.gdOffset = SparseFile::kGd;
  footer_.gdOffset = SparseFile::kRgd;
  PutFooter();
  EXPECT_THAT(Concerns(), ElementsAre(HasSubstr("is not the header's")));
}

TEST_F(VmdkSurveyTest, ADescriptorThatNamesNoFileIsAConcern) {
  ByteFile text;
  text.PutText(0, DescriptorText("vmfs", "RW 2048 ZERO\n"));
  EXPECT_THAT(Texts(SurveyBytes(text.bytes())), Contains(HasSubstr("no extent in a file")));

  ByteFile flat;
  flat.PutText(0, DescriptorText("monolithicFlat", "RW 2048 FLAT \"x\" 0\n"));
  EXPECT_THAT(Texts(SurveyBytes(flat.bytes())), IsEmpty());
}

TEST_F(VmdkSurveyTest, CountsBothDirectoriesAndTheCachedTables) {
  const std::vector<std::byte> bytes = image_.Bytes();
  EXPECT_EQ(SurveyBytes(bytes).reader_memory(), bytes.size() + 2 * 4 + 16 * 2048);
}

}  // namespace
}  // namespace hotcell::guest::vmdk
