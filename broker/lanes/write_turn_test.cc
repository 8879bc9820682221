#include "broker/lanes/write_turn.h"

#include <gtest/gtest.h>

#include <thread>

namespace hotcell::broker {
namespace {

bool IsFree(JobFile& file) {
  bool locked = false;
  // Another thread tries: the one that holds the lock may not.
  std::thread([&] {
    locked = file.write_mutex.try_lock();
    if (locked) file.write_mutex.unlock();
  }).join();
  return locked;
}

TEST(WriteTurnTest, LastsUntilItIsEnded) {
  JobFile file;
  WriteTurn turn;
  turn.Take(file);
  turn.Take(file);
  EXPECT_FALSE(IsFree(file));
  turn.End();
  EXPECT_TRUE(IsFree(file));
  turn.End();
  EXPECT_TRUE(IsFree(file));
}

TEST(WriteTurnTest, AtAnotherFileEndsTheOneBefore) {
  JobFile first;
  JobFile second;
  {
    WriteTurn turn;
    turn.Take(first);
    turn.Take(second);
    EXPECT_TRUE(IsFree(first));
    EXPECT_FALSE(IsFree(second));
  }
  EXPECT_TRUE(IsFree(second));
}

}  // namespace
}  // namespace hotcell::broker
