// Names that a hostile image, or a hostile guest, wants to have opened.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

constexpr uint64_t kBacking = static_cast<uint64_t>(abi::ReferenceKind::kBackingFile);
constexpr auto kRefused = absl::StatusCode::kPermissionDenied;

struct NameCase {
  std::string test;
  std::string name;
  End end;
};
void PrintTo(const NameCase& name_case, std::ostream* out) { *out << name_case.test; }

class HostileNames : public HostileGuestTest, public testing::WithParamInterface<NameCase> {
 protected:
  // What is said of a name shows nothing that a terminal would act on.
  void ExpectRefused(uint64_t kind) {
    SetScript(GetParam().name);
    const absl::Status status = Convert({"open_reference", GetParam().name.size(), kind}).status();
    ExpectEnd(status, GetParam().end);
    EXPECT_TRUE(std::none_of(status.message().begin(), status.message().end(), [](char c) {
      return static_cast<uint8_t>(c) < 0x20 || static_cast<uint8_t>(c) >= 0x7f;
    })) << status;
    EXPECT_LT(status.message().size(), 8192u);
  }
};

class NamesWithoutPolicy : public HostileNames {};
TEST_P(NamesWithoutPolicy, AreRefusedAndShownEscaped) { ExpectRefused(kBacking); }

End NotAllowed(const std::string& shown) {
  return {kRefused, absl::StrCat("^the backing file '", shown,
                                 "' that the image names was not opened: files named by images")};
}
const NameCase kNames[] = {
    {"Plain", "base.qcow2", NotAllowed("base.qcow2")},
    {"Passwd", "/etc/passwd", NotAllowed("/etc/passwd")},
    {"Nul", std::string("a\0b", 3), NotAllowed("a\\\\x00b")},
    {"Escape", "\x1b[2J\x1b]0;owned\x07", NotAllowed("\\\\x1b\\[2J\\\\x1b\\]0;owned\\\\x07")},
    {"Newline", "a\nerror: done\r\n", NotAllowed("a\\\\nerror: done\\\\r\\\\n")},
    {"Quote", "' --follow-references=/ '", NotAllowed("\\\\' --follow-references=/ \\\\'")},
    {"NotUtf8", "\xff\xfe\xc0\x80", NotAllowed("\\\\xff\\\\xfe\\\\xc0\\\\x80")},
    {"CutUtf8", "a\xe2\x82", NotAllowed("a\\\\xe2\\\\x82")},
    {"RightToLeft", "a\u202egnp.exe", NotAllowed("a\\\\u\\{202e\\}gnp.exe")},
    {"C1Control",
     "\xc2\x9b"
     "31m",
     NotAllowed("\\\\u\\{9b\\}31m")},
    {"Json", "json:{\"driver\":\"file\"}", NotAllowed("json:.*")},
    {"Nbd", "nbd://127.0.0.1:10809", NotAllowed("nbd://127.0.0.1:10809")},
    {"Longest", std::string(4096, 'x'), {kRefused, "'\\.\\.\\. \\(4096 bytes\\)"}},
    {"OneTooLong", std::string(4097, 'x'),
     BrokeTheRings("the name's length is out of range \\(0x1001\\)")},
    {"SixtyFourKib", std::string(64 << 10, 'x'),
     BrokeTheRings("the name's length is out of range \\(0x10000\\)")},
    {"Empty", "", BrokeTheRings("the name's length is out of range \\(0x0\\)")},
};
INSTANTIATE_TEST_SUITE_P(References, NamesWithoutPolicy, testing::ValuesIn(kNames),
                         [](const auto& name) { return name.param.test; });

// Below a directory that the user allowed, which has a file, a link to the canary beside the
// directory, a FIFO and a directory.
class NamesBelowDirectory : public HostileNames {
 protected:
  void SetUp() override {
    HostileNames::SetUp();
    if (IsSkipped()) return;
    dir().Write("allowed/base.raw", "the base image");
    dir().Write("allowed/directory/other", "another");
    ASSERT_EQ(symlink("../canary", dir().File("allowed/link").c_str()), 0);
    ASSERT_EQ(mkfifo(dir().File("allowed/fifo").c_str(), 0600), 0);
    references_.FollowBelow(dir().File("allowed"));
  }
};
TEST_P(NamesBelowDirectory, LeadNowhereElse) { ExpectRefused(kBacking); }

End Nowhere(const std::string& why) { return {kRefused, why}; }
constexpr char kLeadsOut[] = "was not opened: its name leads out of ";
constexpr char kAbsolute[] = "its name is absolute and leads nowhere below a directory";
constexpr char kNoFile[] = "was not opened: no regular file";
const End kMissing = {absl::StatusCode::kNotFound, "^cannot open the backing file "};
const NameCase kNamesBelow[] = {
    {"File", "base.raw", Told("status 0, result 2, result2 14")},
    {"Parent", "../canary", Nowhere(kLeadsOut)},
    {"ParentInTheMiddle", "directory/../../canary", Nowhere(kLeadsOut)},
    {"ParentOften", "../../../../../../../../etc/passwd", Nowhere(kLeadsOut)},
    {"Absolute", "/etc/passwd", Nowhere(kAbsolute)},
    {"OwnDescriptor", "/proc/self/fd/3", Nowhere(kAbsolute)},
    {"ManySlashes", "//etc//passwd", Nowhere(kAbsolute)},
    {"Device", "/dev/kvm", Nowhere(kAbsolute)},
    {"Link", "link", Nowhere(kNoFile)},
    {"ThroughLink", "link/canary", Nowhere("its name leads over a symbolic link in|no regular")},
    {"Fifo", "fifo", Nowhere(kNoFile)},
    {"Directory", "directory", Nowhere(kNoFile)},
    {"Dot", ".", Nowhere(kNoFile)},
    {"Nul", std::string("base.raw\0x", 10), Nowhere("its name has a NUL byte in it")},
    {"Json", "json:{\"file.filename\":\"/etc/passwd\"}", kMissing},
    {"Nbd", "nbd://127.0.0.1:10809", kMissing},
    {"Fat", "fat:rw:/etc", kMissing},
    {"Longest", std::string(4096, 'x'), Nowhere("its name has 4096 bytes, more than a path")},
};
INSTANTIATE_TEST_SUITE_P(References, NamesBelowDirectory, testing::ValuesIn(kNamesBelow),
                         [](const auto& name) { return name.param.test; });

class HostileReferences : public HostileGuestTest {
 protected:
  void ExpectOpenEnds(const std::string& name, const End& end, uint64_t kind = kBacking) {
    SetScript(name);
    ExpectConvertEnds({"open_reference", name.size(), kind}, end);
  }
};

TEST_F(HostileReferences, OfUnknownKindsBreakTheContract) {
  for (const uint64_t kind : {uint64_t{0}, uint64_t{5}, uint64_t{UINT32_MAX}}) {
    ExpectOpenEnds("base.raw", BrokeTheRings("unknown reference kind"), kind);
  }
}

TEST_F(HostileReferences, AreNeitherTheSourceNorTheTarget) {
  references_.Map("source", dir().File("input.raw")).Map("target", dir().File("output.raw"));
  ExpectOpenEnds("source", {absl::StatusCode::kDataLoss, "^the chain of images is a cycle: "});
  ExpectOpenEnds("target", {kRefused, "refers to the job's own target "});
}

TEST_F(HostileReferences, MappedToWhatIsNoFileAreRefused) {
  ASSERT_EQ(mkfifo(dir().File("fifo").c_str(), 0600), 0);
  references_.Map("device", "/dev/zero").Map("fifo", dir().File("fifo")).Map("directory", "/");
  for (const char* name : {"device", "fifo", "directory"}) {
    ExpectOpenEnds(
        name, {absl::StatusCode::kInvalidArgument, "is neither a regular file nor a block device"});
  }
}

TEST_F(HostileReferences, AreLimitedInNumber) {
  dir().Write("allowed/base.raw", "the base image");
  references_.FollowBelow(dir().File("allowed"));
  SetScript("base.raw");
  ExpectConvertEnds({"many_references", 5000, 8}, Told("64 opened, status 3, .*"));
  options_.limits.references = UINT32_MAX;
  ExpectConvertEnds({"many_references", 5000, 8}, Told("510 opened, status 3, .*"));
}

TEST_F(HostileReferences, WhoseNameChangesAreCopiedOnce) {
  dir().Write("allowed/base.raw", "the base image");
  references_.FollowBelow(dir().File("allowed"));
  options_.limits.references = UINT32_MAX;
  SetScript("base.raw");
  ExpectConvertEnds({"race_reference_name", 400, 8, 2}, Told("opened (yes|no), refused (yes|no)"));
}

}  // namespace
}  // namespace hotcell::hostile
