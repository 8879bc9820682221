#include "hotcell/unnamed_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/unique_fd.h"
#include "broker/testing/temp_dir.h"

namespace hotcell::broker {
namespace {

TEST(UnnamedFileTest, HasNoNameAndNoReadersButItsOpener) {
  const TempDir dir;
  const UniqueFd file(OpenUnnamedFile(dir.path()));
  ASSERT_TRUE(file.valid());
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  struct stat info {};
  ASSERT_EQ(fstat(file.get(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  EXPECT_EQ(info.st_nlink, 0u);
  EXPECT_EQ(write(file.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(pread(file.get(), &byte, 1, 0), 1);
}

TEST(UnnamedFileTest, TellsWhyThereIsNone) {
  const TempDir dir;
  EXPECT_EQ(OpenUnnamedFile(dir.File("missing")), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(HasNoUnnamedFiles(errno, dir.File("missing")));
  EXPECT_EQ(OpenUnnamedFile("/proc"), -1);
  EXPECT_TRUE(HasNoUnnamedFiles(errno, "/proc"));
}

TEST(UnnamedFileTest, IsWhereTheEnvironmentSays) {
  ASSERT_EQ(setenv("TMPDIR", "/somewhere", 1), 0);
  EXPECT_EQ(TemporaryDirectory(), "/somewhere");
  ASSERT_EQ(setenv("TMPDIR", "", 1), 0);
  EXPECT_EQ(TemporaryDirectory(), "/tmp");
  ASSERT_EQ(unsetenv("TMPDIR"), 0);
  EXPECT_EQ(TemporaryDirectory(), "/tmp");
}

}  // namespace
}  // namespace hotcell::broker
