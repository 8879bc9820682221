#include "broker/workers/arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace hotcell::broker {
namespace {

ArenaLayout SmallLayout() { return {.lanes = 2, .report_capacity = 4096}; }

// The memory as the guest sees it.
Mapping MapAsGuest(const Arena& arena) {
  const uint64_t size = arena.header().arena_size;
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, arena.fd(), 0);
  EXPECT_NE(data, MAP_FAILED);
  return Mapping(data, size);
}

TEST(ArenaTest, CannotBeResizedOrUnsealed) {
  auto arena = Arena::Create(SmallLayout());
  ASSERT_TRUE(arena.ok()) << arena.status();
  EXPECT_EQ(ftruncate(arena->fd(), 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(arena->fd(), 1 << 30), -1);
  EXPECT_EQ(fcntl(arena->fd(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EPERM);
}

// The flags that /proc/self/smaps gives for the mapping at `address`.
std::string MappingFlags(const void* address) {
  char first[32];
  std::snprintf(first, sizeof(first), "%lx-", reinterpret_cast<unsigned long>(address));
  std::ifstream file("/proc/self/smaps");
  std::string line;
  while (std::getline(file, line) && !line.starts_with(first)) {
  }
  while (std::getline(file, line) && !line.starts_with("VmFlags:")) {
  }
  return line;
}

TEST(ArenaTest, IsLeftOutOfCoreDumps) {
  auto arena = Arena::Create(SmallLayout());
  ASSERT_TRUE(arena.ok()) << arena.status();
  const auto* const begin =
      reinterpret_cast<const std::byte*>(arena->lane(0)) - arena->header().lanes_offset;
  EXPECT_NE(MappingFlags(begin).find(" dd"), std::string::npos) << MappingFlags(begin);
}

TEST(ArenaTest, AreasArePageAlignedAndApart) {
  auto arena = Arena::Create({.lanes = 3,
                              .report_capacity = 5000,
                              .program_size = 10,
                              .input_size = 4097,
                              .output_capacity = 1});
  ASSERT_TRUE(arena.ok()) << arena.status();
  const abi::ArenaHeader& header = arena->header();
  const uint64_t offsets[] = {header.status_offset, header.job_offset,      header.report_offset,
                              header.lanes_offset,  header.buffers_offset,  header.input_offset,
                              header.output_offset, arena->program_offset()};
  const uint64_t sizes[] = {
      sizeof(abi::GuestStatus),          kJobCapacity, 5000, 3 * abi::kLaneStride,
      3 * kBuffersPerLane * kBufferSize, 4097,         1,    10};
  for (size_t i = 0; i < std::size(offsets); ++i) {
    EXPECT_EQ(offsets[i] % abi::kPageSize, 0u) << i;
    const uint64_t next = i + 1 < std::size(offsets) ? offsets[i + 1] : header.arena_size;
    EXPECT_LE(offsets[i] + sizes[i], next) << i;
  }
}

TEST(ArenaTest, CostsOnlyTouchedPages) {
  auto arena = Arena::Create({.lanes = 16, .report_capacity = 1 << 20});
  ASSERT_TRUE(arena.ok()) << arena.status();
  struct stat info {};
  ASSERT_EQ(fstat(arena->fd(), &info), 0);
  EXPECT_LE(info.st_blocks * 512, 8192);
}

TEST(ArenaTest, WarmsTheBeginningOfEachLanesBuffers) {
  constexpr uint64_t kWarm = 1 << 20;
  auto arena = Arena::Create({.lanes = 3, .report_capacity = 1 << 20, .warm_size = kWarm});
  ASSERT_TRUE(arena.ok()) << arena.status();
  arena->Warm();
  struct stat info {};
  ASSERT_EQ(fstat(arena->fd(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 3 * kWarm);
  EXPECT_LE(info.st_blocks * 512, 3 * kWarm + 8192);

  auto small = Arena::Create({.lanes = 1, .warm_size = uint64_t{1} << 40});
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_EQ(small->warm_size(), kBuffersPerLane * kBufferSize);
}

TEST(ArenaTest, LaneBuffersAcceptOnlyThatLanesArea) {
  auto arena = Arena::Create(SmallLayout());
  ASSERT_TRUE(arena.ok()) << arena.status();
  const uint64_t lane_size = kBuffersPerLane * kBufferSize;
  const uint64_t begin = arena->header().buffers_offset;
  EXPECT_EQ(arena->LaneBuffers(0, begin, lane_size).size(), lane_size);
  EXPECT_EQ(arena->LaneBuffers(1, begin + lane_size, 1).size(), 1u);
  EXPECT_TRUE(arena->LaneBuffers(0, begin, lane_size + 1).empty());
  EXPECT_TRUE(arena->LaneBuffers(0, begin - 1, 1).empty());
  EXPECT_TRUE(arena->LaneBuffers(0, begin + lane_size, 1).empty());
  EXPECT_TRUE(arena->LaneBuffers(1, begin, 1).empty());
  EXPECT_TRUE(arena->LaneBuffers(0, 0, 4096).empty());
  EXPECT_TRUE(arena->LaneBuffers(0, begin + 1, UINT64_MAX).empty());
  EXPECT_TRUE(arena->LaneBuffers(0, UINT64_MAX, 2).empty());
  EXPECT_TRUE(arena->LaneBuffers(2, begin + 2 * lane_size, 1).empty());
}

TEST(ArenaTest, CutsSizesTheGuestLiesAbout) {
  auto arena = Arena::Create({.lanes = 1, .report_capacity = 100, .output_capacity = 7});
  ASSERT_TRUE(arena.ok()) << arena.status();
  const Mapping guest = MapAsGuest(*arena);
  abi::GuestStatus status{};
  status.report_size = UINT64_MAX;
  status.output_size = UINT64_MAX;
  status.panic_size = UINT32_MAX;
  status.progress_done = 12;
  status.progress_total = 10;
  std::memcpy(guest.data() + arena->header().status_offset, &status, sizeof(status));
  EXPECT_EQ(arena->CopyReport().size(), 100u);
  EXPECT_EQ(arena->CopyOutput().size(), 7u);
  EXPECT_EQ(arena->CopyPanicText().size(), abi::kPanicTextSize);
  EXPECT_EQ(arena->ReadProgress().done, 10u);
}

TEST(ArenaTest, RefusesAreasBeyondReason) {
  EXPECT_EQ(Arena::Create({.lanes = 17}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Arena::Create({.output_capacity = UINT64_MAX}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace hotcell::broker
