#include "broker/files/target_path.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/testing/temp_dir.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

constexpr uid_t kStranger = 12345;

bool IsSameFile(const struct stat& a, const std::string& path) {
  struct stat b {};
  return stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

class TargetPathTest : public testing::Test {
 protected:
  // A directory as /tmp is.
  std::string MakePublic(const std::string& name) {
    std::filesystem::create_directory(dir_.File(name));
    EXPECT_EQ(chmod(dir_.File(name).c_str(), 01777), 0);
    return name;
  }
  void Link(const std::string& to, const std::string& name) {
    ASSERT_EQ(symlink(to.c_str(), dir_.File(name).c_str()), 0);
  }
  absl::StatusOr<TargetPath> Resolve(const std::string& name,
                                     FinalLinks links = FinalLinks::kFollow) {
    return ResolveTarget(dir_.File(name), links);
  }

  TempDir dir_;
};

TEST_F(TargetPathTest, FindsWhatIsThere) {
  dir_.Write("file", "x");
  const auto found = Resolve("file");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->name, "file");
  EXPECT_TRUE(IsSameFile(found->old_info, dir_.File("file")));
  EXPECT_TRUE(IsSameFile(found->directory_info, dir_.path()));
}

TEST_F(TargetPathTest, FindsThePlaceForWhatIsNotThere) {
  const auto found = Resolve("new");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->name, "new");
  EXPECT_FALSE(found->old.valid());
}

TEST_F(TargetPathTest, FollowsLinksFromWhereTheyLie) {
  dir_.Write("a/b/real", "x");
  Link("b/second", "a/first");
  Link("real", "a/b/second");
  const auto found = Resolve("a/first");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->name, "real");
  EXPECT_TRUE(IsSameFile(found->old_info, dir_.File("a/b/real")));
}

TEST_F(TargetPathTest, FollowsALinkToWhatIsNotThereYet) {
  std::filesystem::create_directory(dir_.File("a"));
  Link(dir_.File("a/new"), "link");
  const auto found = Resolve("link");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->name, "new");
  EXPECT_TRUE(IsSameFile(found->directory_info, dir_.File("a")));
}

TEST_F(TargetPathTest, RefusesLoopsAndLinksThatNobodyTyped) {
  Link("loop", "loop");
  EXPECT_THAT(Resolve("loop").status().ToString(), HasSubstr("Too many levels"));
  dir_.Write("file", "x");
  Link("file", "link");
  EXPECT_THAT(Resolve("link", FinalLinks::kRefuse).status().ToString(), HasSubstr("symbolic link"));
  EXPECT_TRUE(Resolve("file", FinalLinks::kRefuse).ok());
}

TEST_F(TargetPathTest, NamesWhatTheKernelSays) {
  EXPECT_THAT(Resolve(std::string(300, 'n')).status().ToString(), HasSubstr("File name too long"));
  EXPECT_EQ(Resolve("no/such").status().code(), absl::StatusCode::kNotFound);
  dir_.Write("file", "x");
  EXPECT_THAT(Resolve("file/x").status().ToString(), HasSubstr("Not a directory"));
}

TEST_F(TargetPathTest, TakesADescriptorForTheFileItself) {
  const UniqueFd memory(memfd_create("disk", MFD_CLOEXEC));
  for (const char* directory : {"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"}) {
    const auto found = ResolveTarget(directory + std::to_string(memory.get()), FinalLinks::kFollow);
    ASSERT_TRUE(found.ok()) << directory << ": " << found.status();
    EXPECT_EQ(found->name, "");
    struct stat info {};
    ASSERT_EQ(fstat(memory.get(), &info), 0);
    EXPECT_EQ(found->old_info.st_ino, info.st_ino) << directory;
  }
}

TEST_F(TargetPathTest, FollowsNoStrangersLinkInADirectoryForAll) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  MakePublic("public");
  dir_.Write("precious", "x");
  for (const char* to : {"../precious", "../new"}) {
    const std::string link = dir_.File("public/out");
    ASSERT_EQ(symlink(to, link.c_str()), 0);
    EXPECT_TRUE(Resolve("public/out").ok()) << "one's own";
    ASSERT_EQ(lchown(link.c_str(), kStranger, kStranger), 0);
    const absl::Status status = Resolve("public/out").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(status.ToString(), HasSubstr("another user's symbolic link"));
    ASSERT_EQ(unlink(link.c_str()), 0);
  }
}

TEST_F(TargetPathTest, WritesNoStrangersFileInADirectoryForAll) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  MakePublic("public");
  const std::string file = dir_.Write("public/out", "x");
  EXPECT_TRUE(Resolve("public/out").ok()) << "one's own";
  ASSERT_EQ(chown(file.c_str(), kStranger, kStranger), 0);
  const absl::Status status = Resolve("public/out").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.ToString(), HasSubstr("another user's file"));
  ASSERT_EQ(chown(dir_.File("public").c_str(), kStranger, kStranger), 0);
  EXPECT_TRUE(Resolve("public/out").ok()) << "the directory's owner's";
}

TEST_F(TargetPathTest, WritesAStrangersFileElsewhere) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string file = dir_.Write("private/out", "x");
  ASSERT_EQ(chown(file.c_str(), kStranger, kStranger), 0);
  EXPECT_TRUE(Resolve("private/out").ok());
}

}  // namespace
}  // namespace hotcell::broker
