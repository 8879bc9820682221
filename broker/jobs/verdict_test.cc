#include "hotcell/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string_view>

#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string_view> Codes(const std::vector<Finding>& findings) {
  std::vector<std::string_view> codes;
  for (const Finding& finding : findings) codes.push_back(VerdictCodeName(finding.code));
  return codes;
}

TEST(VerdictCodeTest, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int32_t code = 0; code <= static_cast<int32_t>(VerdictCode::kWarning); ++code) {
    const std::string_view name = VerdictCodeName(static_cast<VerdictCode>(code));
    EXPECT_FALSE(name.empty()) << code;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(VerdictCodeName(VerdictCode::kAmbiguousFormat), "ambiguous-format");
  EXPECT_EQ(VerdictCodeName(VerdictCode::kWarning), "warning");
}

TEST(SignatureKindTest, EachHasANameAndAClass) {
  std::set<std::string_view> names;
  for (int32_t number = 1; number <= static_cast<int32_t>(SignatureKind::kVmState); ++number) {
    const auto kind = static_cast<SignatureKind>(number);
    EXPECT_FALSE(SignatureName(kind).empty()) << number;
    EXPECT_TRUE(names.insert(SignatureName(kind)).second) << SignatureName(kind);
    EXPECT_NE(ClassOf(kind), SignatureClass::kUnknown) << SignatureName(kind);
  }
  EXPECT_EQ(SignatureName(SignatureKind::kMbr), "MBR partition table");
  EXPECT_EQ(SignatureName(SignatureKind::kVmState), "saved state of a QEMU machine");
}

TEST(SignatureKindTest, NumbersThatAreNoneAreUnknown) {
  for (const int32_t number :
       {0, -1, static_cast<int32_t>(SignatureKind::kVmState) + 1, INT32_MAX, INT32_MIN}) {
    const auto kind = static_cast<SignatureKind>(number);
    EXPECT_EQ(ClassOf(kind), SignatureClass::kUnknown) << number;
    EXPECT_EQ(SignatureName(kind), "kind of file that is not known") << number;
  }
}

TEST(SignatureKindTest, ContentsAreNamedWithWhatTheirPlaceTells) {
  EXPECT_EQ(ContentName({.offset = 512, .kind = SignatureKind::kGpt}), "GPT partition table");
  EXPECT_EQ(ContentName({.offset = 4096, .kind = SignatureKind::kGpt}),
            "GPT partition table for sectors of 4096 bytes");
  EXPECT_EQ(ContentName({.offset = 512, .kind = SignatureKind::kQcowImage}),
            "QCOW signature at offset 512");
  EXPECT_EQ(ContentName({.offset = 512, .kind = SignatureKind::kVhdFooter}),
            "VHD signature at offset 512");
  EXPECT_EQ(ContentName({.offset = 1536, .kind = SignatureKind::kLvm}), "LVM2 physical volume");
  EXPECT_EQ(ContentName({.offset = 65600, .kind = SignatureKind::kBtrfs}), "Btrfs file system");
  EXPECT_EQ(ContentName({.offset = 1080, .kind = SignatureKind::kExt4}), "ext4 file system");
}

class VerdictTest : public testing::Test {
 protected:
  VerdictTest() {
    inspection().format = "qcow2";
    inspection().info.emplace();
    info().virtual_size = 10 << 20;
    reply_.file_size = 1 << 20;
  }
  Inspection& inspection() { return reply_.inspection; }
  ImageInfo& info() { return *inspection().info; }
  CheckReport& check() {
    return inspection().check ? *inspection().check : inspection().check.emplace();
  }
  void AddSignature(SignatureKind kind, uint64_t offset) {
    inspection().signatures.push_back({.offset = offset, .kind = kind});
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
  info().references.push_back(
      {.role = ReferenceRole::kBackingFile, .name = "/etc/\x1bpasswd", .format = {}});
  EXPECT_THAT(Reasons(), ElementsAre("reference"));
  EXPECT_THAT(verdict_.reasons[0].text, HasSubstr("/etc/\\x1bpasswd"));
}

TEST_F(VerdictTest, RefusesABackingFileThatIsNotListed) {
  info().backing_file = "base";
  EXPECT_THAT(Reasons(), ElementsAre("reference"));
}

TEST_F(VerdictTest, RefusesWhatCouldBeAnotherFormat) {
  inspection().other_formats.emplace_back("vmdk");
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format"));
}

// The first chunk of a disk image of macOS lies at the start of the file, and the guest does not
// tell of its stream. What it tells of is another one.
TEST_F(VerdictTest, DmgMayBeginWithItsOwnStreamOnly) {
  inspection().format = "dmg";
  AddSignature(SignatureKind::kDmgTrailer, 4096);
  EXPECT_TRUE(Judged().safe());
  inspection().other_formats.emplace_back("bzip2");
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format"));
  AddSignature(SignatureKind::kBzip2, 0);
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format", "foreign-signature"));
  inspection().other_formats.clear();
  inspection().signatures.back().kind = SignatureKind::kXz;
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
}

TEST_F(VerdictTest, DmgMayNotBeginWithAnArchive) {
  inspection().format = "dmg";
  inspection().other_formats.emplace_back("zip");
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format"));
}

TEST_F(VerdictTest, TrailerOfAnotherFormatIsAReason) {
  for (const char* const format : {"raw", "qcow2", "dmg"}) {
    inspection().format = format;
    inspection().signatures.clear();
    AddSignature(SignatureKind::kVhdFooter, 4096);
    EXPECT_THAT(Reasons(), ElementsAre("foreign-signature")) << format;
  }
  inspection().format = "raw";
  inspection().signatures.clear();
  AddSignature(SignatureKind::kDmgTrailer, 4096);
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
}

TEST_F(VerdictTest, RefusesWhatCannotBeOpened) {
  inspection().info.reset();
  reply_.failure = absl::DataLossError("qcow2: bad");
  EXPECT_THAT(Reasons(), ElementsAre("cannot-open"));
}

TEST_F(VerdictTest, KeepsWhatCanBeDoneWithItsPlaceInTheText) {
  info().encrypted = true;
  reply_.check_failure =
      Reworded(WithRemedy(absl::ResourceExhaustedError("too much"), Remedy::kRaiseMemory),
               "too much; it changed");
  EXPECT_THAT(Reasons(), ElementsAre("encrypted", "check-failed"));
  const RemedyNote note = verdict_.reasons[1].remedy.value_or(RemedyNote());
  EXPECT_EQ(note.remedy, Remedy::kRaiseMemory);
  EXPECT_EQ(verdict_.reasons[1].text.substr(note.place), "; it changed");
  const absl::Status status = VerdictStatus(verdict_);
  const RemedyNote told = RemedyOf(status).value_or(RemedyNote());
  EXPECT_EQ(told.remedy, Remedy::kRaiseMemory);
  EXPECT_EQ(std::string(status.message()).substr(told.place), "; it changed");
}

TEST_F(VerdictTest, RefusesWhatNothingIsSaidOf) {
  inspection().info.reset();
  EXPECT_THAT(Reasons(), ElementsAre("cannot-open"));
}

TEST_F(VerdictTest, RefusesDamageWhoseNumbersAddUpToNothing) {
  check().corruptions = UINT64_MAX;
  check().check_errors = 1;
  EXPECT_THAT(Reasons(), ElementsAre("corrupt"));
}

TEST_F(VerdictTest, RefusesDamageAndNotesLostSpace) {
  check().leaks = 2;
  EXPECT_THAT(Reasons(), IsEmpty());
  EXPECT_THAT(Anomalies(), ElementsAre("leaks"));
  check().corruptions = 1;
  EXPECT_THAT(Reasons(), ElementsAre("corrupt"));
}

TEST_F(VerdictTest, RefusesTablesThatCannotBeRead) {
  reply_.check_failure = absl::DataLossError("qcow2: bad table");
  EXPECT_THAT(Reasons(), ElementsAre("check-failed"));
}

TEST_F(VerdictTest, NotesTrailingData) {
  check().image_end_offset = reply_.file_size - 7;
  EXPECT_THAT(Anomalies(), ElementsAre("trailing-data"));
  EXPECT_THAT(verdict_.anomalies[0].text, HasSubstr("7 bytes"));
}

TEST_F(VerdictTest, HoldsTheDiskToItsQuota) {
  policy_.max_virtual_size = 10 << 20;
  EXPECT_THAT(Reasons(), IsEmpty());
  policy_.max_virtual_size -= 1;
  EXPECT_THAT(Reasons(), ElementsAre("too-big"));
  policy_.max_virtual_size = 0;
  info().virtual_size = limits_.virtual_size + 1;
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
  inspection().format = "qed";
  EXPECT_THAT(Reasons(), ElementsAre("format-not-allowed"));
  EXPECT_EQ(verdict_.reasons[0].text, "format qed is given up by QEMU");
  policy_.allowed_formats = {"qed"};
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TakesVmdksOfOneFile) {
  inspection().format = "vmdk";
  info().variant = "streamOptimized";
  EXPECT_THAT(Reasons(), IsEmpty());
  info().variant = "monolithicFlat";
  EXPECT_THAT(Reasons(), ElementsAre("vmdk-type"));
}

TEST_F(VerdictTest, MindsSignaturesInImagesAndNotOnDisks) {
  AddSignature(SignatureKind::kMbr, 510);
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
  inspection().format = "raw";
  EXPECT_THAT(Reasons(), IsEmpty());
  AddSignature(SignatureKind::kZip, 0);
  EXPECT_THAT(Reasons(), ElementsAre("foreign-signature"));
}

// A disk may begin with what stands on disks. All else counts, and so does what nobody knows.
TEST_F(VerdictTest, TellsSignaturesOnDisksApartByTheirClass) {
  inspection().format = "raw";
  for (int32_t number = 0; number <= static_cast<int32_t>(SignatureKind::kVmState) + 1; ++number) {
    const auto kind = static_cast<SignatureKind>(number);
    inspection().signatures.clear();
    AddSignature(kind, 0);
    const SignatureClass found = ClassOf(kind);
    const bool on_disks = found == SignatureClass::kPartitionTable ||
                          found == SignatureClass::kFileSystem || found == SignatureClass::kVolume;
    const bool may_be_code = kind == SignatureKind::kDosProgram || kind == SignatureKind::kScript;
    EXPECT_EQ(Judged().safe(), on_disks || may_be_code) << SignatureName(kind);
  }
}

TEST_F(VerdictTest, RefusesAMarkThatIsNotKnown) {
  for (const char* const format : {"raw", "qcow2", "vpc", "dmg", "vmdk", "cloop"}) {
    inspection().format = format;
    inspection().info->variant = "streamOptimized";
    inspection().signatures.clear();
    AddSignature(SignatureKind::kUnknown, 7);
    EXPECT_THAT(Reasons(), ElementsAre("foreign-signature")) << format;
    EXPECT_EQ(verdict_.reasons[0].text,
              "there is the mark of a kind of file that is not known at offset 7");
  }
}

TEST_F(VerdictTest, NamesTheDiskThatTheFileBeginsLike) {
  inspection().concerns.push_back({.kind = ConcernKind::kOtherDisk,
                                   .text = {},
                                   .mark = {.offset = 4096, .kind = SignatureKind::kGpt}});
  EXPECT_THAT(Reasons(), ElementsAre("readers-differ"));
  EXPECT_EQ(verdict_.reasons[0].text,
            "the file begins like a disk with GPT partition table for sectors of 4096 bytes, which "
            "is not the disk that its trailer describes");
}

TEST_F(VerdictTest, DoesNotMindTheBackupTableInTheLastSector) {
  AddSignature(SignatureKind::kGptBackup, 1 << 20);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TakesADiscThatTheFileBeginsWithForADisk) {
  inspection().other_formats.emplace_back("iso9660");
  AddSignature(SignatureKind::kIso9660, 32769);
  AddSignature(SignatureKind::kMbr, 510);
  for (const char* format : {"raw", "dmg"}) {
    inspection().format = format;
    EXPECT_THAT(Reasons(), IsEmpty()) << format;
  }
  inspection().format = "qcow2";
  EXPECT_THAT(Reasons(), ElementsAre("ambiguous-format", "foreign-signature", "foreign-signature"));
}

TEST_F(VerdictTest, KnowsAFormatsOwnSignature) {
  inspection().format = "vpc";
  AddSignature(SignatureKind::kVhdFooter, 4096);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VerdictTest, TellsConcernsApart) {
  const auto add = [&](ConcernKind kind) {
    inspection().concerns.push_back({.kind = kind, .text = "text \x1b", .mark = {}});
  };
  add(ConcernKind::kOddity);
  EXPECT_THAT(Reasons(), IsEmpty());
  EXPECT_THAT(Anomalies(), ElementsAre("oddity"));
  add(ConcernKind::kReadersDiffer);
  add(ConcernKind::kHiddenReference);
  add(ConcernKind::kNotUnderstood);
  add(ConcernKind::kNestedImage);
  add(ConcernKind::kUnknown);
  EXPECT_THAT(Reasons(), ElementsAre("readers-differ", "reference", "not-understood",
                                     "nested-image", "not-understood"));
  EXPECT_EQ(verdict_.reasons[0].text, "text \\x1b");
}

TEST_F(VerdictTest, HoldsReadersToTheirMemory) {
  inspection().reader_memory = policy_.max_reader_memory;
  EXPECT_THAT(Reasons(), IsEmpty());
  inspection().reader_memory = policy_.max_reader_memory + 1;
  EXPECT_THAT(Reasons(), ElementsAre("reader-memory"));
}

TEST_F(VerdictTest, RefusesEncryption) {
  info().encrypted = true;
  info().encryption = "luks";
  EXPECT_THAT(Reasons(), ElementsAre("encrypted"));
}

}  // namespace
}  // namespace hotcell
