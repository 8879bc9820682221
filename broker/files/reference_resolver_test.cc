#include "broker/files/reference_resolver.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/testing/temp_dir.h"
#include "hotcell/remedy.h"

namespace hotcell::broker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr auto kBacking = abi::ReferenceKind::kBackingFile;

class ReferenceResolverTest : public testing::Test {
 protected:
  ReferenceResolverTest() {
    dir_.Write("images/base.raw", "base");
    dir_.Write("images/sub/deep.raw", "deep");
    dir_.Write("secret", "secret");
  }
  // Opens `name` as if the image `referrer`, in the test's directory, named it; returns what is in
  // the file.
  absl::StatusOr<std::string> Open(const ReferencePolicy& policy, absl::string_view name,
                                   const std::string& referrer = "secret") {
    const UniqueFd image(open(dir_.File(referrer).c_str(), O_RDONLY | O_CLOEXEC));
    const auto resolver = ReferenceResolver::Create(policy);
    if (!resolver.ok()) return resolver.status();
    absl::StatusOr<ResolvedReference> opened = resolver->Open(name, kBacking, image.get());
    if (!opened.ok()) return opened.status();
    char buffer[100];
    const ssize_t got = read(opened->fd.get(), buffer, sizeof(buffer));
    EXPECT_EQ(write(opened->fd.get(), "x", 1), -1) << "must be read-only";
    return std::string(buffer, static_cast<size_t>(got));
  }
  ReferencePolicy Below() { return ReferencePolicy().FollowBelow(dir_.File("images")); }
  std::string Refusal(const ReferencePolicy& policy, absl::string_view name,
                      const std::string& referrer = "secret") {
    const absl::Status status = Open(policy, name, referrer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    note_ = RemedyOf(status).value_or(RemedyNote());
    return std::string(status.message());
  }
  // What would allow what Refusal() was about.
  Remedy RemedyFor(const ReferencePolicy& policy, absl::string_view name,
                   const std::string& referrer = "secret") {
    Refusal(policy, name, referrer);
    EXPECT_EQ(note_.subject, std::string(name));
    return note_.remedy;
  }

  TempDir dir_;
  RemedyNote note_;  // of the last Refusal()
};

TEST_F(ReferenceResolverTest, RefusesEverythingByDefaultAndSaysWhatAllowsIt) {
  const std::string refusal = Refusal({}, "/etc/passwd");
  EXPECT_THAT(refusal, HasSubstr("the backing file '/etc/passwd'"));
  EXPECT_EQ(note_.remedy, Remedy::kAllowReference);
  EXPECT_EQ(note_.subject, "/etc/passwd");
  // What a program says of the remedy stands for the clause.
  EXPECT_EQ(refusal.substr(note_.place),
            ": files named by images are opened only when they are allowed");
  EXPECT_EQ(note_.replaced, refusal.size() - note_.place);
  EXPECT_THAT(Refusal({}, dir_.File("secret")), HasSubstr("was not opened"));
}

TEST_F(ReferenceResolverTest, EscapesAndCutsNames) {
  EXPECT_THAT(Refusal({}, "\x1b]0;owned\x07"),
              AllOf(HasSubstr("\\x1b]0;owned\\x07"), Not(HasSubstr("\x1b"))));
  EXPECT_LT(Refusal({}, std::string(100000, 'a')).size(), 2000u);
}

TEST_F(ReferenceResolverTest, SuggestsAnOptionThatCanBePasted) {
  EXPECT_EQ(RemedyFor({}, "a=b\n\\c'd"), Remedy::kAllowReference);
}

TEST_F(ReferenceResolverTest, OpensExactlyWhatIsMapped) {
  ReferencePolicy policy;
  policy.Map("/etc/passwd", dir_.File("images/base.raw"));
  EXPECT_EQ(*Open(policy, "/etc/passwd"), "base");
  EXPECT_FALSE(Open(policy, "/etc/passwd ").ok());
  EXPECT_FALSE(Open(policy, absl::string_view("/etc/passwd\0", 12)).ok());
}

TEST_F(ReferenceResolverTest, SaysThatAMappedFileDoesNotExist) {
  ReferencePolicy policy;
  policy.Map("base", dir_.File("missing"));
  EXPECT_EQ(Open(policy, "base").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ReferenceResolverTest, FollowsRelativeNamesBelowTheDirectory) {
  EXPECT_EQ(*Open(Below(), "base.raw"), "base");
  EXPECT_EQ(*Open(Below(), "sub/deep.raw"), "deep");
  EXPECT_EQ(*Open(Below(), "sub/../base.raw"), "base");
  EXPECT_EQ(*Open(Below(), "./base.raw"), "base");
}

TEST_F(ReferenceResolverTest, NeverLeavesTheDirectory) {
  EXPECT_THAT(Refusal(Below(), "../secret"), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), "sub/../../secret"), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), dir_.File("secret")), HasSubstr("absolute"));
  EXPECT_EQ(note_.remedy, Remedy::kMapReferenceElsewhere);
  EXPECT_EQ(note_.replaced, std::string(" that may be followed").size());
  EXPECT_THAT(Refusal(Below(), dir_.File("images/../secret")), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), dir_.File("images-not/base.raw")), HasSubstr("absolute"));
  EXPECT_THAT(Refusal(Below(), "/proc/self/fd/0"), HasSubstr("absolute"));
}

TEST_F(ReferenceResolverTest, FollowsAbsoluteNamesThatLieBelowTheDirectory) {
  EXPECT_EQ(*Open(Below(), dir_.File("images/base.raw")), "base");
  EXPECT_EQ(*Open(Below(), dir_.File("images/sub/../sub/deep.raw")), "deep");
}

TEST_F(ReferenceResolverTest, LooksBesideTheReferringImageFirst) {
  dir_.Write("images/sub/base.raw", "base beside");
  EXPECT_EQ(*Open(Below(), "base.raw", "images/sub/deep.raw"), "base beside");
  EXPECT_EQ(*Open(Below(), "../base.raw", "images/sub/deep.raw"), "base");
  EXPECT_EQ(*Open(Below(), "sub/deep.raw", "images/sub/deep.raw"), "deep") << "not beside";
  EXPECT_THAT(Refusal(Below(), "../../secret", "images/sub/deep.raw"), HasSubstr("leads out of"));
}

TEST_F(ReferenceResolverTest, FollowsNamesThatComeToTheDirectoryFromOutside) {
  dir_.Write("overlays/top.qcow2", "top");
  const std::string top = "overlays/top.qcow2";
  EXPECT_EQ(*Open(Below(), "../images/base.raw", top), "base");
  EXPECT_EQ(*Open(Below(), "./.././images/./base.raw", top), "base");
  EXPECT_EQ(*Open(Below(), "images/../images/base.raw"), "base") << "beside the directory";
  EXPECT_EQ(
      *Open(Below(), ".." + dir_.path().substr(dir_.path().rfind('/')) + "/images/sub/../base.raw"),
      "base");
  EXPECT_EQ(*Open(Below(), dir_.File("images/../images/base.raw")), "base");
  EXPECT_EQ(*Open(Below(), "/.." + dir_.File("images/sub/deep.raw")), "deep") << "from the root";
  const ReferencePolicy both = Below().FollowBelow(dir_.File("overlays"));
  EXPECT_EQ(*Open(both, "../images/base.raw", top), "base");
  EXPECT_EQ(Open(Below(), dir_.File("images/../images/none")).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ReferenceResolverTest, LeavesTheDirectoryByNoNameThatComesFromOutside) {
  dir_.Write("overlays/top.qcow2", "top");
  const std::string top = "overlays/top.qcow2";
  ASSERT_EQ(symlink("../../secret", dir_.File("images/sub/link").c_str()), 0);
  EXPECT_THAT(Refusal(Below(), "../images/../secret", top), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), "../images/sub/../../secret", top), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), "../secret", top), HasSubstr("leads out of"));
  EXPECT_EQ(RemedyFor(Below(), "../images/sub/link", top), Remedy::kMapReference);
  EXPECT_THAT(Refusal(Below(), "../images/..", top), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), dir_.File("images/../images/../secret")), HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), dir_.File("images/../images/sub/../../secret")),
              HasSubstr("leads out of"));
  EXPECT_THAT(Refusal(Below(), dir_.File("images/../images/sub")), HasSubstr("no regular file"));
}

// `link/..` is beside what the link leads to, whatever the text says.
TEST_F(ReferenceResolverTest, TakesNoLinkForADirectoryThatDotsLeave) {
  dir_.Write("elsewhere/deep/x", "");
  dir_.Write("elsewhere/images/base.raw", "another base");
  ASSERT_EQ(symlink("elsewhere/deep", dir_.File("link").c_str()), 0);
  EXPECT_FALSE(Open(Below(), dir_.File("link/../images/base.raw")).ok());
  EXPECT_FALSE(Open(Below(), "link/../images/base.raw").ok());
  // The directory as the user names it may be a link, too.
  ASSERT_EQ(symlink("images/sub", dir_.File("given").c_str()), 0);
  const ReferencePolicy given = ReferencePolicy().FollowBelow(dir_.File("given"));
  EXPECT_EQ(*Open(given, dir_.File("given/deep.raw")), "deep");
  EXPECT_FALSE(Open(given, dir_.File("given/../given/deep.raw")).ok());
}

TEST_F(ReferenceResolverTest, TakesNoOtherFileForOneBesideTheImage) {
  dir_.Write("base.raw", "base beside, where nothing may be followed");
  EXPECT_THAT(Refusal(Below(), "base.raw"),
              AllOf(HasSubstr("beside the image"), HasSubstr("another one in")));
  EXPECT_EQ(RemedyFor(Below(), "base.raw"), Remedy::kChooseReference);
  EXPECT_EQ(*Open(Below(), "sub/deep.raw"), "deep") << "nothing beside the image";
  // One file in both places is no other.
  ASSERT_EQ(symlink("images/sub/deep.raw", dir_.File("deep.raw").c_str()), 0);
  const ReferencePolicy sub = ReferencePolicy().FollowBelow(dir_.File("images/sub"));
  EXPECT_EQ(*Open(sub, "deep.raw"), "deep");
  // What is refused beside the image is not looked for elsewhere.
  ASSERT_EQ(symlink("deep.raw", dir_.File("images/sub/base.raw").c_str()), 0);
  EXPECT_THAT(Refusal(Below(), "base.raw", "images/sub/deep.raw"), HasSubstr("no regular file"));
}

TEST_F(ReferenceResolverTest, FollowsBelowTheRoot) {
  const ReferencePolicy root = ReferencePolicy().FollowBelow("/");
  struct stat top {};
  struct stat here {};
  ASSERT_TRUE(stat("/", &top) == 0 && stat(dir_.path().c_str(), &here) == 0);
  if (top.st_dev != here.st_dev) GTEST_SKIP() << "the test's directory is another mount";
  EXPECT_EQ(*Open(root, dir_.File("images/base.raw")), "base");
  EXPECT_EQ(*Open(root, "base.raw", "images/base.raw"), "base");
}

TEST_F(ReferenceResolverTest, TakesARowOfSlashesForOne) {
  EXPECT_EQ(*Open(Below(), "/" + dir_.File("images/base.raw")), "base");
  EXPECT_EQ(*Open(Below(), dir_.File("images//sub///deep.raw")), "deep");
  EXPECT_EQ(*Open(Below(), dir_.path() + "//images//base.raw"), "base");
}

TEST_F(ReferenceResolverTest, TriesSeveralDirectories) {
  dir_.Write("other/more.raw", "more");
  const ReferencePolicy policy = Below().FollowBelow(dir_.File("other"));
  EXPECT_EQ(*Open(policy, "base.raw"), "base");
  EXPECT_EQ(*Open(policy, "more.raw"), "more");
  EXPECT_EQ(*Open(policy, dir_.File("other/more.raw")), "more");
  EXPECT_EQ(Open(policy, "none.raw").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ReferenceResolverTest, FollowsNoSymbolicLinks) {
  ASSERT_EQ(symlink("../secret", dir_.File("images/link").c_str()), 0);
  ASSERT_EQ(symlink("base.raw", dir_.File("images/inner").c_str()), 0);
  ASSERT_EQ(symlink("sub", dir_.File("images/dirlink").c_str()), 0);
  EXPECT_EQ(RemedyFor(Below(), "link"), Remedy::kMapReference);
  EXPECT_EQ(RemedyFor(Below(), "inner"), Remedy::kMapReference);
  EXPECT_THAT(Refusal(Below(), "dirlink/deep.raw"), HasSubstr("symbolic link"));
}

TEST_F(ReferenceResolverTest, TakesHardLinksOnlyWhereTheSystemProtectsThem) {
  ASSERT_EQ(link(dir_.File("secret").c_str(), dir_.File("images/secret").c_str()), 0);
  dir_.Write("on", "1\n");
  dir_.Write("off", "0\n");
  const auto open_where = [&](const char* protection, const char* name) {
    const auto resolver = ReferenceResolver::Create(Below(), dir_.File(protection));
    return resolver->Open(name, kBacking, -1).status();
  };
  EXPECT_TRUE(open_where("on", "secret").ok());
  for (const char* protection : {"off", "missing"}) {
    const absl::Status refused = open_where(protection, "secret");
    EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("it has 2 names (hard links)"));
    EXPECT_EQ(RemedyOf(refused).value_or(RemedyNote()).remedy, Remedy::kMapReference);
    EXPECT_TRUE(open_where(protection, "base.raw").ok()) << "a file with one name";
  }
  EXPECT_THAT(std::string(open_where("off", "secret").message()), HasSubstr("is off"));
  EXPECT_THAT(std::string(open_where("missing", "secret").message()), HasSubstr("cannot be read"));
}

TEST_F(ReferenceResolverTest, OpensNothingButRegularFiles) {
  ASSERT_EQ(mkfifo(dir_.File("images/fifo").c_str(), 0600), 0);
  EXPECT_THAT(Refusal(Below(), "fifo"), HasSubstr("no regular file"));
  EXPECT_THAT(Refusal(Below(), "sub"), HasSubstr("no regular file"));
  EXPECT_THAT(Refusal(Below(), "."), HasSubstr("no regular file"));
}

TEST_F(ReferenceResolverTest, RefusesNamesThatAreNone) {
  EXPECT_THAT(Refusal(Below(), ""), HasSubstr("empty"));
  EXPECT_THAT(Refusal(Below(), absl::string_view("base.raw\0x", 10)), HasSubstr("NUL"));
  EXPECT_THAT(Refusal(Below(), std::string(5000, 'a')), HasSubstr("5000 bytes"));
}

TEST_F(ReferenceResolverTest, ProtocolsAndDescriptionsAreOnlyNames) {
  for (const char* name : {"nbd://127.0.0.1/x", "json:{\"file.filename\":\"/etc/passwd\"}",
                           "file:base.raw", "fat:rw:images"}) {
    EXPECT_EQ(Open(Below(), name).status().code(), absl::StatusCode::kNotFound) << name;
  }
}

TEST_F(ReferenceResolverTest, NeedsItsDirectory) {
  const auto missing =
      ReferenceResolver::Create(ReferencePolicy().FollowBelow(dir_.File("missing")));
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace hotcell::broker
