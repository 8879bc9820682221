#include "hotcell/output_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>

#include "broker/testing/temp_dir.h"

namespace hotcell {
namespace {

using broker::TempDir;
using testing::HasSubstr;

class OutputFileTest : public testing::Test {
 protected:
  void WriteTo(const OutputFile& output, const char* text) {
    ASSERT_EQ(write(output.fd(), text, strlen(text)), static_cast<ssize_t>(strlen(text)));
  }
  size_t FilesInDirectory() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      ++count;
    }
    return count;
  }
  mode_t ModeOf(const std::string& name) {
    struct stat info {};
    EXPECT_EQ(stat(dir_.File(name).c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  TempDir dir_;
};

TEST_F(OutputFileTest, AppearsOnlyOnCommit) {
  auto output = OutputFile::Create(dir_.File("out"));
  ASSERT_TRUE(output.ok()) << output.status();
  WriteTo(*output, "new");
  EXPECT_EQ(FilesInDirectory(), 0u);
  EXPECT_TRUE(output->Commit(/*sync=*/true).ok());
  EXPECT_EQ(dir_.Read("out"), "new");
  EXPECT_EQ(FilesInDirectory(), 1u);
}

TEST_F(OutputFileTest, ReplacesAnOldFileAndKeepsItsPermissions) {
  dir_.Write("out", "old and longer");
  ASSERT_EQ(chmod(dir_.File("out").c_str(), 0640), 0);
  auto output = OutputFile::Create(dir_.File("out"));
  ASSERT_TRUE(output.ok()) << output.status();
  WriteTo(*output, "new");
  EXPECT_EQ(dir_.Read("out"), "old and longer");
  EXPECT_TRUE(output->Commit(/*sync=*/false).ok());
  EXPECT_EQ(dir_.Read("out"), "new");
  EXPECT_EQ(ModeOf("out"), 0640u);
  EXPECT_EQ(FilesInDirectory(), 1u);
}

TEST_F(OutputFileTest, ANewFileObeysTheUmask) {
  for (const auto& [mask, mode] : {std::pair{027u, 0640u}, {0u, 0644u}, {02u, 0644u}}) {
    const mode_t before = umask(mask);
    auto output = OutputFile::Create(dir_.File("out"));
    umask(before);
    ASSERT_TRUE(output.ok()) << output.status();
    ASSERT_TRUE(output->Commit(false).ok());
    EXPECT_EQ(ModeOf("out"), mode) << mask;
    ASSERT_EQ(unlink(dir_.File("out").c_str()), 0);
  }
}

TEST_F(OutputFileTest, IsTheCallersOwnUntilItReplacesTheOldFile) {
  dir_.Write("out", "old");
  ASSERT_EQ(chmod(dir_.File("out").c_str(), 0666), 0);
  auto output = OutputFile::Create(dir_.File("out"));
  ASSERT_TRUE(output.ok()) << output.status();
  struct stat info {};
  ASSERT_EQ(fstat(output->fd(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_TRUE(output->Commit(false).ok());
  EXPECT_EQ(ModeOf("out"), 0666u);
}

TEST_F(OutputFileTest, WritesIntoWhatADescriptorStandsFor) {
  const UniqueFd memory(memfd_create("disk", MFD_CLOEXEC));
  const UniqueFd deleted = dir_.Open("deleted", O_CREAT | O_RDWR);
  ASSERT_EQ(unlink(dir_.File("deleted").c_str()), 0);
  for (const int fd : {memory.get(), deleted.get()}) {
    auto output = OutputFile::Create("/dev/fd/" + std::to_string(fd));
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_TRUE(output->in_place());
    WriteTo(*output, "new");
    ASSERT_TRUE(output->Commit(true).ok());
    char text[4] = {};
    EXPECT_EQ(pread(fd, text, 3, 0), 3);
    EXPECT_STREQ(text, "new");
  }
  EXPECT_EQ(FilesInDirectory(), 0u);
}

TEST_F(OutputFileTest, RefusesAPipeBehindADescriptor) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  EXPECT_THAT(OutputFile::Create("/dev/fd/" + std::to_string(writing.get())).status().ToString(),
              HasSubstr("is a pipe"));
}

TEST_F(OutputFileTest, WritesInPlaceWhereTheDirectoryIsNotTheCallers) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kUser = 12345;
  dir_.Write("locked/out", "old");
  ASSERT_EQ(chown(dir_.File("locked/out").c_str(), kUser, kUser), 0);
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(dir_.File("locked").c_str(), 0755), 0);
  ASSERT_EQ(seteuid(kUser), 0);
  auto output = OutputFile::Create(dir_.File("locked/out"));
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE(output->in_place());
  EXPECT_TRUE(output->old_file().has_value());
}

TEST_F(OutputFileTest, NeedsNoRightToListTheDirectory) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kUser = 12345;
  std::filesystem::create_directory(dir_.File("drop"));
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(dir_.File("drop").c_str(), 0733), 0);
  ASSERT_EQ(seteuid(kUser), 0);
  auto output = OutputFile::Create(dir_.File("drop/out"));
  const absl::Status committed = output.ok() ? output->Commit(/*sync=*/true) : output.status();
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_TRUE(committed.ok()) << committed;
  EXPECT_EQ(ModeOf("drop/out") & 0700u, 0600u);
}

TEST_F(OutputFileTest, RefusesALinkUnderANameThatNobodyTyped) {
  dir_.Write("real", "old");
  ASSERT_EQ(symlink("real", dir_.File("out-flat").c_str()), 0);
  EXPECT_FALSE(OutputFile::Create(dir_.File("out-flat"), OutputFile::Links::kRefuse).ok());
}

TEST_F(OutputFileTest, RefusesANameThatIsTooLongBeforeTheWork) {
  EXPECT_THAT(OutputFile::Create(dir_.File(std::string(256, 'n'))).status().ToString(),
              HasSubstr("File name too long"));
}

TEST_F(OutputFileTest, LeavesNothingWithoutCommit) {
  dir_.Write("out", "old");
  {
    auto output = OutputFile::Create(dir_.File("out"));
    ASSERT_TRUE(output.ok()) << output.status();
    WriteTo(*output, "new");
    OutputFile moved = *std::move(output);
  }
  EXPECT_EQ(dir_.Read("out"), "old");
  EXPECT_EQ(FilesInDirectory(), 1u);
}

TEST_F(OutputFileTest, AProcessKilledBeforeCommitLeavesNothing) {
  dir_.Write("out", "old");
  const pid_t child = fork();
  if (child == 0) {
    auto output = OutputFile::Create(dir_.File("out"));
    if (output.ok() && write(output->fd(), "new", 3) == 3) raise(SIGKILL);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(dir_.Read("out"), "old");
  EXPECT_EQ(FilesInDirectory(), 1u);
}

TEST_F(OutputFileTest, WritesThroughSymbolicLinks) {
  dir_.Write("sub/real", "old");
  ASSERT_EQ(symlink("sub/real", dir_.File("link").c_str()), 0);
  ASSERT_EQ(symlink("link", dir_.File("link2").c_str()), 0);
  auto output = OutputFile::Create(dir_.File("link2"));
  ASSERT_TRUE(output.ok()) << output.status();
  WriteTo(*output, "new");
  ASSERT_TRUE(output->Commit(false).ok());
  EXPECT_EQ(dir_.Read("sub/real"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir_.File("link")));
}

TEST_F(OutputFileTest, RefusesLoopsOfLinks) {
  ASSERT_EQ(symlink("loop", dir_.File("loop").c_str()), 0);
  EXPECT_FALSE(OutputFile::Create(dir_.File("loop")).ok());
}

TEST_F(OutputFileTest, RefusesWhatIsNoFile) {
  std::filesystem::create_directory(dir_.File("directory"));
  ASSERT_EQ(mkfifo(dir_.File("fifo").c_str(), 0600), 0);
  for (const char* name : {"directory", "fifo", "directory/", "directory/.", "directory/.."}) {
    EXPECT_EQ(OutputFile::Create(dir_.File(name)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_EQ(OutputFile::Create("/dev/null").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(OutputFileTest, NamesWhatIsMissing) {
  const absl::Status status = OutputFile::Create(dir_.File("no/such/out")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no/such/out"));
}

TEST_F(OutputFileTest, CommitsOnce) {
  auto output = OutputFile::Create(dir_.File("out"));
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE(output->Commit(false).ok());
  EXPECT_EQ(output->Commit(false).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace hotcell
