#include "base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "gtest/gtest.h"

namespace hotcell {
namespace {

int Open() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, ClosesWithItsOwner) {
  const int number = Open();
  {
    const UniqueFd fd(number);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFd, OwnsNothingByDefault) { EXPECT_FALSE(UniqueFd().valid()); }

TEST(UniqueFd, MovesAndClosesWhatItHeldBefore) {
  const int first = Open();
  const int second = Open();
  UniqueFd to(first);
  UniqueFd from(second);
  to = std::move(from);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_EQ(to.get(), second);
  EXPECT_TRUE(IsOpen(second));
  EXPECT_FALSE(from.valid());  // NOLINT(bugprone-use-after-move)
}

TEST(UniqueFd, SurvivesAMoveToItself) {
  UniqueFd fd(Open());
  UniqueFd& same = fd;
  fd = std::move(same);
  EXPECT_TRUE(IsOpen(fd.get()));
}

TEST(UniqueFd, GivesUpAndCloses) {
  UniqueFd fd(Open());
  const int number = fd.release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(number));
  fd.reset(number);
  fd.reset();
  EXPECT_FALSE(IsOpen(number));
}

}  // namespace
}  // namespace hotcell
