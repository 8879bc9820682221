#include "broker/host/control_group.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace hotcell::broker {
namespace {

constexpr absl::string_view kVersion1 =
    "26 21 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "27 21 0:24 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory\n"
    "28 21 0:25 / /sys/fs/cgroup/pids rw,nosuid shared:11 - cgroup cgroup rw,pids\n";
constexpr absl::string_view kVersion2 =
    "30 21 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(FindControlGroupTest, FindsTheMountOfAController) {
  const auto place = FindControlGroup("8:pids:/a\n4:memory:/a/b\n0::/\n", kVersion1, "memory");
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->mount_point, "/sys/fs/cgroup/memory");
  EXPECT_EQ(place->path, "/a/b");
}

TEST(FindControlGroupTest, FindsTheOneTreeOfVersion2) {
  const auto place = FindControlGroup("0::/user.slice\n", kVersion2, "");
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->mount_point, "/sys/fs/cgroup");
  EXPECT_EQ(place->path, "/user.slice");
  EXPECT_EQ(FindControlGroup("0::/\n", kVersion2, "")->path, "");
}

TEST(FindControlGroupTest, KnowsMountsOfAPartOfTheTree) {
  const std::string container = "1 2 0:24 /docker/x /sys/fs/cgroup/memory rw - cgroup c rw,memory";
  EXPECT_EQ(FindControlGroup("4:memory:/docker/x\n", container, "memory")->path, "");
  EXPECT_EQ(FindControlGroup("4:memory:/docker/x/y\n", container, "memory")->path, "/y");
  EXPECT_EQ(FindControlGroup("4:memory:/elsewhere\n", container, "memory")->path, "");
}

TEST(FindControlGroupTest, FindsNothingWhereThereIsNone) {
  EXPECT_FALSE(FindControlGroup("0::/\n", kVersion2, "memory").has_value());
  EXPECT_FALSE(FindControlGroup("4:memory:/\n", kVersion2, "memory").has_value());
  EXPECT_FALSE(FindControlGroup("", "", "").has_value());
  EXPECT_FALSE(FindControlGroup("nonsense\n:::\n", "a - b\n", "").has_value());
}

class ReadControlGroupsTest : public testing::Test {
 protected:
  ReadControlGroupsTest() : root_(testing::TempDir() + "cgroups." + std::to_string(getpid())) {}
  ~ReadControlGroupsTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, absl::string_view text) const {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  const std::string root_;
};

TEST_F(ReadControlGroupsTest, TheLowestLimitOfVersion2Counts) {
  Write("/proc/self/cgroup", "0::/a/b\n");
  Write("/proc/self/mountinfo", kVersion2);
  Write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("/sys/fs/cgroup/a/memory.max", "8388608\n");
  Write("/sys/fs/cgroup/a/b/pids.max", "6\n");
  Write("/sys/fs/cgroup/a/pids.max", "100\n");
  Write("/sys/fs/cgroup/a/b/memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 1\n");
  const ControlGroupLimits limits = ReadControlGroups(root_);
  EXPECT_EQ(limits.memory, 8388608u);
  EXPECT_EQ(limits.tasks, 6u);
  EXPECT_EQ(limits.out_of_memory_kills, 3u);
}

TEST_F(ReadControlGroupsTest, Version1IsKnownToo) {
  Write("/proc/self/cgroup", "8:pids:/p\n4:memory:/m\n0::/\n");
  Write("/proc/self/mountinfo", kVersion1);
  Write("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "16777216\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/m/memory.oom_control", "oom_kill_disable 0\noom_kill 1\n");
  Write("/sys/fs/cgroup/pids/p/pids.max", "max\n");
  const ControlGroupLimits limits = ReadControlGroups(root_);
  EXPECT_EQ(limits.memory, 16777216u);
  EXPECT_FALSE(limits.tasks.has_value());
  EXPECT_EQ(limits.out_of_memory_kills, 1u);
}

TEST_F(ReadControlGroupsTest, NothingIsKnownWhereNothingIsThere) {
  const ControlGroupLimits limits = ReadControlGroups(root_);
  EXPECT_FALSE(limits.memory.has_value());
  EXPECT_FALSE(limits.tasks.has_value());
  EXPECT_EQ(limits.out_of_memory_kills, 0u);
}

}  // namespace
}  // namespace hotcell::broker
