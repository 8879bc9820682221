#include "base/detail_key.h"

#include <string>

#include "gtest/gtest.h"

namespace hotcell {
namespace {

TEST(IsDetailKey, TakesWhatQemuCallsItsMembers) {
  for (const char* key : {"compat", "compression-type", "extended-l2", "a", "0"}) {
    EXPECT_TRUE(IsDetailKey(key)) << key;
  }
  EXPECT_TRUE(IsDetailKey(std::string(kMaxDetailKey, 'x')));
}

TEST(IsDetailKey, TakesNothingElse) {
  for (const char* key : {"", "A", "refcount bits", "a_b", "a\n", "\x1b[2J", "k\xc3\xa9y", "a:"}) {
    EXPECT_FALSE(IsDetailKey(key)) << key;
  }
  EXPECT_FALSE(IsDetailKey(std::string(kMaxDetailKey + 1, 'x')));
  EXPECT_FALSE(IsDetailKey(std::string("a\0b", 3)));
}

}  // namespace
}  // namespace hotcell
