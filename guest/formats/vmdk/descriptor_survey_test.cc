#include "guest/formats/vmdk/descriptor_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hotcell::guest::vmdk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kHead =
    "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
    "createType=\"monolithicSparse\"\n\n# Extent description\n";
constexpr std::string_view kExtent = "RW 2048 SPARSE \"disk.vmdk\"\n";

std::vector<ConcernKind> Kinds(const Survey& survey) {
  std::vector<ConcernKind> kinds;
  for (const Concern& concern : survey.concerns()) kinds.push_back(concern.kind);
  return kinds;
}

std::vector<ConcernKind> KindsOf(std::string_view text,
                                 DescriptorPlace place = DescriptorPlace::kEmbedded) {
  Survey survey;
  SurveyDescriptor(text, place, survey);
  return Kinds(survey);
}

// The concerns about one line of a descriptor that is sound before it and behind it.
std::vector<ConcernKind> KindsOfLine(std::string_view line) {
  return KindsOf(std::string(kHead).append(kExtent).append(line).append("\nddb.x = \"1\"\n"));
}

TEST(DescriptorSurveyTest, WhatHonestProgramsWriteIsNoConcern) {
  const std::string_view texts[] = {
      // VMware Workstation and ESXi.
      "# Disk DescriptorFile\nversion=1\nencoding=\"windows-1252\"\nCID=fffffffe\n"
      "parentCID=ffffffff\nisNativeSnapshot=\"no\"\ncreateType=\"monolithicSparse\"\n\n"
      "# Extent description\nRW 83886080 SPARSE \"W\xfcste.vmdk\"\n\n"
      "# The Disk Data Base \n#DDB\n\nddb.adapterType = \"lsilogic\"\n"
      "ddb.geometry.cylinders = \"5221\"\nddb.geometry.heads = \"255\"\n"
      "ddb.longContentID = \"0123456789abcdef0123456789abcdef\"\n"
      "ddb.uuid = \"60 00 C2 9b 1c 2d 3e 4f-50 61 72 83 94 a5 b6 c7\"\n"
      "ddb.virtualHWVersion = \"21\"\nddb.thinProvisioned = \"1\"\nddb.encoding = \"UTF-8\"\n",
      // VirtualBox.
      "# Disk DescriptorFile\r\nversion=1\r\nCID=6e3d4f5a\r\nparentCID=ffffffff\r\n"
      "createType=\"streamOptimized\"\r\n\r\n# Extent description\r\n"
      "RDONLY 16384 SPARSE \"disk 1.vmdk\"\r\n\r\n# The disk Data Base \r\n#DDB\r\n\r\n"
      "ddb.virtualHWVersion = \"4\"\r\nddb.comment=\"\"\r\n"
      "ddb.uuid.image=\"a23f3c5b-6d7e-4f80-91a2-b3c4d5e6f708\"\r\n"
      "ddb.uuid.parent=\"00000000-0000-0000-0000-000000000000\"\r\n"
      "ddb.uuid.parentmodification=\"00000000-0000-0000-0000-000000000000\"\r\n",
      // open-vmdk, without the last line end.
      "# Disk DescriptorFile\nversion=1\nCID=1a2b3c4d\nparentCID=ffffffff\n"
      "createType=\"streamOptimized\"\n\n# Extent description\nRW 2048 SPARSE \"disk\"\n\n"
      "# The Disk Data Base\n#DDB\n\nddb.toolsInstallType = \"4\"\n"
      "ddb.toolsVersion = \"2147483647\"",
      // Names that look like something else.
      "CID=1\nparentCID=ffffffff\nRW 2048 SPARSE \"placid RW 12.vmdk\"\n",
      "\tversion=2\n  CID=1\nparentCID=ffffffff\nRW\t2048  SPARSE \"LUCID.vmdk\" \n"};
  for (const std::string_view text : texts) EXPECT_THAT(KindsOf(text), IsEmpty()) << text;
}

TEST(DescriptorSurveyTest, MentionsOfKeysAreConcernsInAnyPlace) {
  for (const std::string_view mention :
       {"parentFileNameHint=\"x.vmdk\"", "PARENTFILENAMEHINT", "parentCID=1", "ParentCid = 1",
        "RW 2048 FLAT \"x\" 0", "rw 1 sparse", "RDONLY\t5 VMFS", "NOACCESS 12345 ZERO"}) {
    for (const std::string_view before : {"# ", "#", "ddb.x = \"1\" ", "words "}) {
      EXPECT_THAT(KindsOfLine(std::string(before).append(mention)),
                  testing::Contains(ConcernKind::kHiddenReference))
          << before << mention;
    }
  }
  for (const std::string_view mention :
       {"createType=\"monolithicFlat\"", "CREATETYPE", "CID=1", "cid = 5", "CID 12345678"}) {
    for (const std::string_view before : {"# ", "#", "ddb.x = \"1\" ", "words "}) {
      EXPECT_THAT(KindsOfLine(std::string(before).append(mention)),
                  testing::Contains(ConcernKind::kReadersDiffer))
          << before << mention;
    }
  }
}

TEST(DescriptorSurveyTest, MentionsWithinQuotesAreConcerns) {
  for (const std::string_view line :
       {"ddb.x = \"parentFileNameHint=x\"", "ddb.parentFileNameHint = \"0\"",
        "ddb.x = \"RW 1 FLAT x\"", "ddb.parentCID = \"0\"", "encoding=\"parentCID=5\""}) {
    EXPECT_THAT(KindsOfLine(line), ElementsAre(ConcernKind::kHiddenReference)) << line;
  }
  EXPECT_THAT(KindsOfLine("ddb.x = \"createType\""), ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(KindsOf("CID=1\nRW 1 SPARSE \"parentFileNameHint=.vmdk\"\n"),
              ElementsAre(ConcernKind::kHiddenReference));
  EXPECT_THAT(KindsOf("CID=1\nparentCID=ffffffff parentCID=1\n"),
              ElementsAre(ConcernKind::kHiddenReference, ConcernKind::kNotUnderstood));
}

TEST(DescriptorSurveyTest, TheFirstContentIdIsTheOneOfItsLine) {
  EXPECT_THAT(KindsOf("version=1\nparentCID=ffffffff\nCID=1\n"),
              ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(KindsOf("#aCIDa\nCID=1\n"), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(DescriptorSurveyTest, KeysAreSpeltInOneWay) {
  for (const std::string_view line :
       {"cid=1", "CID =1", "CID= 1", "CID=\"1\"", "createtype=\"x\"", "createType=x",
        "createType = \"x\"", "ENCODING=\"x\"", "encoding=\"a\"\nencoding=\"b\""}) {
    EXPECT_THAT(KindsOf(line), testing::Contains(ConcernKind::kReadersDiffer)) << line;
  }
}

TEST(DescriptorSurveyTest, LinesThatAreNotKnownAreNotUnderstood) {
  for (const std::string_view line :
       {"words", "=", "key=\"value\"", "digestFilename=\"x\"", "version=5", "version=1.0",
        "ddb.x = \"1", "ddb.x = 1 2", "ddb.x = \"1\" \"2\"", "ddb = \"1\"", "\xef\xbb\xbf#",
        "RW 1 SPARSE \"x\" 0", "RW 1 SPARSE x", "RW 1 SPARSE \"x\"y\""}) {
    EXPECT_THAT(KindsOf(line), testing::Contains(ConcernKind::kNotUnderstood)) << line;
  }
}

TEST(DescriptorSurveyTest, OddCharactersAreNotUnderstood) {
  for (const std::string_view line : {"#\v", "\f", "#\r#", "\r\r", "\x7f", "#\x1b[2J", "# \xe9",
                                      "ddb.x = \"\v\"", "\vRW 2048 FLAT \"x\" 0"}) {
    EXPECT_THAT(KindsOfLine(line), testing::Contains(ConcernKind::kNotUnderstood)) << line;
  }
}

TEST(DescriptorSurveyTest, OtherNamesOfFilesAreReferences) {
  for (const std::string_view line :
       {"changeTrackPath=\"x-ctk.vmdk\"", "isNativeSnapshot=\"yes\"",
        "ddb.uuid.parent = \"a23f3c5b-6d7e-4f80-91a2-b3c4d5e6f708\"",
        "ddb.nativeParentHint = \"x\"", "ddb.sidecars = \"filter.vmfd;\"",
        "ddb.objectParentUri = \"vsan://x\""}) {
    EXPECT_THAT(KindsOfLine(line), ElementsAre(ConcernKind::kHiddenReference)) << line;
  }
}

TEST(DescriptorSurveyTest, AnEmbeddedExtentsNameIsNoPath) {
  for (const std::string_view name : {"/etc/x.vmdk", "a/x", "C:x", "a\\x", "nbd:x"}) {
    const std::string line = std::string("RW 1 SPARSE \"").append(name).append("\"\n");
    EXPECT_THAT(KindsOf(line), ElementsAre(ConcernKind::kHiddenReference)) << name;
    EXPECT_THAT(KindsOf(line, DescriptorPlace::kOwnFile), IsEmpty()) << name;
  }
}

TEST(DescriptorSurveyTest, ADescriptorFileHasExtentsOfManyForms) {
  EXPECT_THAT(KindsOf("RW 1 ZERO\nRW 5 FLAT \"x\" 11 partition device\nRW 1 VMFS \"y\"\n",
                      DescriptorPlace::kOwnFile),
              IsEmpty());
  EXPECT_THAT(KindsOf("RW 1 ZERO\n"), ElementsAre(ConcernKind::kNotUnderstood));
}

TEST(DescriptorSurveyTest, TextEndsAtANul) {
  EXPECT_THAT(KindsOf(std::string_view("CID=1\n\0words\n", 13)), IsEmpty());
}

TEST(DescriptorSurveyTest, NeighboursMayNotHoldKeys) {
  const auto kinds = [](std::string_view bytes) {
    Survey survey;
    SurveyNeighbours(bytes, "what follows", survey);
    return Kinds(survey);
  };
  EXPECT_THAT(kinds(std::string(4096, '\0') + "RW CID \xff"), IsEmpty());
  EXPECT_THAT(kinds("\x01RW 1 FLAT"), ElementsAre(ConcernKind::kHiddenReference));
  EXPECT_THAT(kinds("\xff"
                    "CID=1"),
              ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(kinds(std::string(4096, '\0') + "ParentFileNameHint"),
              ElementsAre(ConcernKind::kHiddenReference));
  EXPECT_THAT(kinds("\x01parentcid"), ElementsAre(ConcernKind::kHiddenReference));
  EXPECT_THAT(kinds("createType"), ElementsAre(ConcernKind::kReadersDiffer));
  EXPECT_THAT(kinds("# Disk DescriptorFile"), ElementsAre(ConcernKind::kReadersDiffer));
}

TEST(LooksLikeDescriptorTest, FindsWhatSomeProgramTakesForOne) {
  for (const std::string_view head :
       {"# Disk DescriptorFile\n", "# disk descriptorfile\rversion=1\r", "#Disk Descriptor File",
        "\xef\xbb\xbf# Disk DescriptorFile\n", "\n \t\r\n# Disk DescriptorFile", "version=1\n",
        "version = 1\n", "VERSION=1", "# any\n#other\n\v Version\t=\t3", "#a\r#b\rversion=1\r",
        "\xef\xbb\xbfversion=9"}) {
    EXPECT_TRUE(LooksLikeDescriptor(head)) << head;
  }
}

TEST(LooksLikeDescriptorTest, LeavesOtherFilesAlone) {
  for (const std::string_view head : {"", "\n", "#", "# comment\n", "#!/bin/sh\necho version=1\n",
                                      "versions=1", "version", "CID=1", "\xeb\x3c\x90MSDOS"}) {
    EXPECT_FALSE(LooksLikeDescriptor(head)) << head;
  }
  EXPECT_FALSE(LooksLikeDescriptor(std::string_view("\0# Disk DescriptorFile", 22)));
}

}  // namespace
}  // namespace hotcell::guest::vmdk
