#include "hotcell/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotcell {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string_view> Codes(const std::vector<Finding>& findings) {
  std::vector<std::string_view> codes;
  for (const Finding& finding : findings) codes.push_back(finding.code);
  return codes;
}

class VerdictTest : public testing::Test {
 protected:
  VerdictTest() {
    inspection().set_format("qcow2");
    info().set_virtual_size(10 << 20);
    reply_.file_size = 1 << 20;
  }
  v1::Inspection& inspection() { return reply_.inspection; }
  v1::ImageInfo& info() { return *inspection().mutable_info(); }
  void AddSignature(const char* name, uint64_t offset) {
    v1::Signature& signature = *inspection().add_signatures();
    signature.set_name(name);
    signature.set_offset(offset);
  }
  Verdict Judged() const { return Judge(reply_, policy_, limits_); }
  std::vector<std::string_view> Reasons() { return Codes((verdict_ = Judged()).reasons); }
  std::vector<std::string_view> Anomalies() { return Codes((verdict_ = Judged()).anomalies); }

  InspectReply reply_;
  VerdictPolicy policy_;
  Limits limits_;
  Verdict verdict_;
};

TEST_F(VerdictTest, FindsAPlainImageSafe) {
  EXPECT_TRUE(Judged().safe());
  EXPECT_THAT(Anomalies(), IsEmpty());
}

TEST_F(VerdictTest, RefusesReferences) {
  info().add_references()->set_name("/etc/\x1bpasswd");
  EXPECT_THAT(Reasons(), ElementsAre("reference"));
  EXPECT_THAT(verdict_.reasons[0].text, HasSubstr("/etc/\\x1bpasswd"));
}

TEST_F(VerdictTest, RefusesABackingFileThatIsNotListed) {
  info().set_backing_file("base");
  EXPECT_THAT(Reasons(), ElementsAre("reference"));
}

TEST_F(VerdictTest, RefusesWhatCouldBeAnotherFormat) {
  inspection().add_other_formats("vmdk");
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format"));
}

// The first chunk of a disk image of macOS lies at the start of the file.
TEST_F(VerdictTest, DmgMayBeginWithACompressedChunk) {
  inspection().set_format("dmg");
  inspection().add_other_formats("bzip2");
  AddSignature("bzip2 stream", 0);
  AddSignature("DMG trailer", 4096);
  EXPECT_TRUE(Judged().safe());
  inspection().add_other_formats("xz");
  AddSignature("xz stream", 0);
  EXPECT_TRUE(Judged().safe());
  inspection().set_format("vmdk");
  EXPECT_FALSE(Judged().safe());
}

TEST_F(VerdictTest, DmgMayNotBeginWithAnArchive) {
  inspection().set_format("dmg");
  inspection().add_other_formats("zip");
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format"));
}

TEST_F(VerdictTest, TrailerOfAnotherFormatIsAReason) {
  for (const char* const format : {"raw", "qcow2", "dmg"}) {
    inspection().set_format(format);
    inspection().clear_signatures();
    AddSignature("VHD footer", 4096);
    EXPECT_THAT(Reasons(), ElementsAre("foreign-signature")) << format;
  }
  inspection().set_format("raw");
  inspection().clear_signatures();
  AddSignature("DMG trailer", 4096);
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
}

TEST_F(VerdictTest, RefusesWhatCannotBeOpened) {
  inspection().clear_info();
  reply_.failure = absl::DataLossError("qcow2: bad");
  EXPECT_THAT(Reasons(), ElementsAre("cannot-open"));
}

TEST_F(VerdictTest, RefusesWhatNothingIsSaidOf) {
  inspection().clear_info();
  EXPECT_THAT(Reasons(), ElementsAre("cannot-open"));
}

TEST_F(VerdictTest, RefusesDamageWhoseNumbersAddUpToNothing) {
  inspection().mutable_check()->set_corruptions(UINT64_MAX);
  inspection().mutable_check()->set_check_errors(1);
  EXPECT_THAT(Reasons(), ElementsAre("corrupt"));
}

TEST_F(VerdictTest, RefusesDamageAndNotesLostSpace) {
  v1::CheckReport& check = *inspection().mutable_check();
  check.set_leaks(2);
  EXPECT_THAT(Reasons(), IsEmpty());
  EXPECT_THAT(Anomalies(), ElementsAre("leaks"));
  check.set_corruptions(1);
  EXPECT_THAT(Reasons(), ElementsAre("corrupt"));
}

TEST_F(VerdictTest, RefusesTablesThatCannotBeRead) {
  reply_.check_failure = absl::DataLossError("qcow2: bad table");
  EXPECT_THAT(Reasons(), ElementsAre("check-failed"));
}

TEST_F(VerdictTest, NotesTrailingData) {
  inspection().mutable_check()->set_image_end_offset(reply_.file_size - 7);
  EXPECT_THAT(Anomalies(), ElementsAre("trailing-data"));
  EXPECT_THAT(verdict_.anomalies[0].text, HasSubstr("7 bytes"));
}

TEST_F(VerdictTest, HoldsTheDiskToItsQuota) {
  policy_.max_virtual_size = 10 << 20;
  EXPECT_THAT(Reasons(), IsEmpty());
  policy_.max_virtual_size -= 1;
  EXPECT_THAT(Reasons(), ElementsAre("too-big"));
  policy_.max_virtual_size = 0;
  info().set_virtual_size(limits_.virtual_size + 1);
  EXPECT_THAT(Reasons(), ElementsAre("too-big"));
}

TEST_F(VerdictTest, HoldsTheDiskToItsExpansion) {
  policy_.max_expansion = 10;
  EXPECT_THAT(Reasons(), IsEmpty());
  policy_.max_expansion = 9;
  EXPECT_THAT(Reasons(), ElementsAre("expansion"));
}

TEST_F(VerdictTest, TakesTheFormatsThatAreAllowed) {
  policy_.allowed_formats = {"raw", "vmdk"};
  EXPECT_THAT(Reasons(), ElementsAre("format-not-allowed"));
  policy_.allowed_formats = {"raw", "qcow2"};
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TakesQedOnlyByName) {
  inspection().set_format("qed");
  EXPECT_THAT(Reasons(), ElementsAre("format-not-allowed"));
  policy_.allowed_formats = {"qed"};
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TakesVmdksOfOneFile) {
  inspection().set_format("vmdk");
  info().mutable_vmdk()->set_create_type("streamOptimized");
  EXPECT_THAT(Reasons(), IsEmpty());
  info().mutable_vmdk()->set_create_type("monolithicFlat");
  EXPECT_THAT(Reasons(), ElementsAre("vmdk-type"));
}

TEST_F(VerdictTest, MindsSignaturesInImagesAndNotOnDisks) {
  AddSignature("MBR partition table", 510);
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
  inspection().set_format("raw");
  EXPECT_THAT(Reasons(), IsEmpty());
  AddSignature("zip archive", 0);
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
}

TEST_F(VerdictTest, DoesNotMindTheBackupTableInTheLastSector) {
  AddSignature("GPT backup table", 1 << 20);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TakesADiscThatTheFileBeginsWithForADisk) {
  inspection().add_other_formats("iso9660");
  AddSignature("ISO 9660 file system", 32769);
  AddSignature("MBR partition table", 510);
  for (const char* format : {"raw", "dmg"}) {
    inspection().set_format(format);
    EXPECT_THAT(Reasons(), IsEmpty()) << format;
  }
  inspection().set_format("qcow2");
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format", "foreign-signature", "foreign-signature"));
}

TEST_F(VerdictTest, KnowsAFormatsOwnSignature) {
  inspection().set_format("vpc");
  AddSignature("VHD footer", 4096);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TellsConcernsApart) {
  const auto add = [&](v1::ConcernKind kind) {
    v1::Concern& concern = *inspection().add_concerns();
    concern.set_kind(kind);
    concern.set_text("text \x1b");
  };
  add(v1::CONCERN_KIND_ODDITY);
  EXPECT_THAT(Reasons(), IsEmpty());
  EXPECT_THAT(Anomalies(), ElementsAre("oddity"));
  add(v1::CONCERN_KIND_READERS_DIFFER);
  add(v1::CONCERN_KIND_HIDDEN_REFERENCE);
  add(v1::CONCERN_KIND_NOT_UNDERSTOOD);
  add(v1::CONCERN_KIND_NESTED_IMAGE);
  add(static_cast<v1::ConcernKind>(99));
  EXPECT_THAT(Reasons(), ElementsAre("readers-differ", "reference", "not-understood",
                                     "nested-image", "not-understood"));
  EXPECT_EQ(verdict_.reasons[0].text, "text \\x1b");
}

TEST_F(VerdictTest, HoldsReadersToTheirMemory) {
  inspection().set_reader_memory(policy_.max_reader_memory);
  EXPECT_THAT(Reasons(), IsEmpty());
  inspection().set_reader_memory(policy_.max_reader_memory + 1);
  EXPECT_THAT(Reasons(), ElementsAre("reader-memory"));
}

TEST_F(VerdictTest, RefusesEncryption) {
  info().set_encrypted(true);
  info().set_encryption("luks");
  EXPECT_THAT(Reasons(), ElementsAre("encrypted"));
}

}  // namespace
}  // namespace hotcell
