#include "tools/hotcell/common/files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "hotcell_files_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    for (const char* name : {"file", "link", "hard", "fifo", "socket"}) {
      (void)unlink(Path(name).c_str());
    }
    (void)rmdir(directory_.c_str());
  }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, const std::string& bytes) const {
    std::FILE* file = std::fopen(Path(name).c_str(), "w");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    ASSERT_EQ(std::fclose(file), 0);
  }

  std::string directory_;
};

TEST_F(FilesTest, OpensARegularFileForReadingOnly) {
  Write("file", "abc");
  const absl::StatusOr<File> file = OpenForReading(Path("file"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->info().st_size, 3);
  EXPECT_EQ(fcntl(file->fd(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
  EXPECT_EQ(fcntl(file->fd(), F_GETFD), FD_CLOEXEC);
}

TEST_F(FilesTest, OpensInPlaceForReadingAndWriting) {
  Write("file", "abc");
  const absl::StatusOr<File> file = OpenInPlace(Path("file"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(fcntl(file->fd(), F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_F(FilesTest, NamesWhatItRefuses) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  (void)std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", Path("socket").c_str());
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);

  EXPECT_EQ(OpenForReading(directory_).status().message(),
            "cannot open '" + directory_ + "': it is a directory");
  EXPECT_EQ(OpenForReading(Path("fifo")).status().message(),
            "cannot open '" + Path("fifo") + "': it is a FIFO, and images are read in any order");
  EXPECT_EQ(OpenForReading(Path("socket")).status().message(),
            "cannot open '" + Path("socket") + "': it is a socket");
  EXPECT_EQ(OpenForReading("/dev/null").status().message(),
            "cannot open '/dev/null': it is a character device");
  EXPECT_EQ(OpenForReading(Path("none")).status().message(),
            "cannot open '" + Path("none") + "': No such file or directory");
  (void)close(fd);
}

TEST_F(FilesTest, RecognisesAFileUnderAnotherName) {
  Write("file", "abc");
  Write("hard", "abc");
  ASSERT_EQ(symlink("file", Path("link").c_str()), 0);
  const absl::StatusOr<File> file = OpenForReading(Path("file"));
  const absl::StatusOr<File> link = OpenForReading(Path("link"));
  const absl::StatusOr<File> other = OpenForReading(Path("hard"));
  ASSERT_TRUE(file.ok() && link.ok() && other.ok());
  EXPECT_TRUE(IsSameFile(file->info(), link->info()));
  EXPECT_FALSE(IsSameFile(file->info(), other->info()));
}

TEST_F(FilesTest, ReadsAWholeFileUpToALimit) {
  const std::string bytes(100000, 'x');
  Write("file", bytes);
  EXPECT_EQ(ReadWholeFile(Path("file"), false, bytes.size(), "program").value(), bytes);
  EXPECT_EQ(ReadWholeFile(Path("file"), false, bytes.size() - 1, "program").status().message(),
            "program '" + Path("file") + "' is larger than 99999 bytes");
}

}  // namespace
}  // namespace hotcell::cli
