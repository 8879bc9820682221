#include "vmm-worker/boot/page_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace hotcell::worker {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kTables = 0x40000;
constexpr uint64_t kTablesEnd = 0x200000;
constexpr uint64_t kAddressMask = 0x000f'ffff'ffff'f000;

// Walks the tables as a processor does: the leaf entry for `address`, and its page's size.
struct Leaf {
  uint64_t entry = 0;
  uint64_t page_size = 0;

  bool writable() const { return (entry & 2) != 0; }
  bool user() const { return (entry & 4) != 0; }
  bool executable() const { return entry >> 63 == 0; }
  bool accessed_and_dirty() const { return (entry & 0x60) == 0x60; }
  uint64_t address() const { return entry & kAddressMask & ~(page_size - 1); }
};

class PageTablesTest : public ::testing::Test {
 protected:
  PageTablesTest() : memory_(std::move(GuestMemory::Create(8 << 20).value())) {}

  std::optional<Leaf> Walk(uint64_t address) const {
    uint64_t table = kTables;
    for (int shift = 39; shift >= 12; shift -= 9) {
      uint64_t entry = 0;
      memory_.Read(table + (address >> shift & 511) * 8,
                   std::as_writable_bytes(std::span(&entry, 1)));
      if ((entry & 1) == 0) return std::nullopt;
      if (shift == 12 || (entry & 0x80) != 0) return Leaf{entry, 1ull << shift};
      table = entry & kAddressMask;
    }
    return std::nullopt;
  }

  GuestMemory memory_;
  PageTables tables_{memory_, kTables, kTablesEnd};
};

TEST_F(PageTablesTest, NothingIsMappedAtFirst) {
  EXPECT_FALSE(Walk(0));
  EXPECT_FALSE(Walk(0x200000));
}

TEST_F(PageTablesTest, MapsExactlyTheRange) {
  tables_.Map(0x201000, 0x203000, {.user = true});
  ASSERT_TRUE(tables_.status().ok());
  EXPECT_FALSE(Walk(0x200fff));
  EXPECT_EQ(Walk(0x201000)->address(), 0x201000u);
  EXPECT_EQ(Walk(0x202fff)->address(), 0x202000u);
  EXPECT_FALSE(Walk(0x203000));
}

TEST_F(PageTablesTest, LeavesHaveTheAccessAskedFor) {
  tables_.Map(0x1000, 0x2000, {});
  tables_.Map(0x2000, 0x3000, {.executable = true});
  tables_.Map(0x3000, 0x4000, {.user = true, .writable = true});
  EXPECT_FALSE(Walk(0x1000)->user());
  EXPECT_FALSE(Walk(0x1000)->writable());
  EXPECT_FALSE(Walk(0x1000)->executable());
  EXPECT_TRUE(Walk(0x2000)->executable());
  EXPECT_FALSE(Walk(0x2000)->user());
  EXPECT_TRUE(Walk(0x3000)->user());
  EXPECT_TRUE(Walk(0x3000)->writable());
  EXPECT_FALSE(Walk(0x3000)->executable());
  EXPECT_TRUE(Walk(0x3000)->accessed_and_dirty());
}

TEST_F(PageTablesTest, HugePagesAreUsedWhereTheyFit) {
  tables_.Map(0x3ff000, 0x801000, {.user = true});
  ASSERT_TRUE(tables_.status().ok());
  EXPECT_EQ(Walk(0x3ff000)->page_size, 0x1000u);
  EXPECT_EQ(Walk(0x400000)->page_size, 0x200000u);
  EXPECT_EQ(Walk(0x600000)->page_size, 0x200000u);
  EXPECT_EQ(Walk(0x7fffff)->address(), 0x600000u);
  EXPECT_EQ(Walk(0x800000)->page_size, 0x1000u);
  EXPECT_FALSE(Walk(0x801000));
}

TEST_F(PageTablesTest, AddressesAboveFourGigabytesWork) {
  tables_.Map(0x100000000, 0x100001000, {.user = true});
  EXPECT_EQ(Walk(0x100000000)->address(), 0x100000000u);
}

TEST_F(PageTablesTest, EmptyRangesMapNothing) {
  tables_.Map(0x1000, 0x1000, {});
  EXPECT_FALSE(Walk(0x1000));
  EXPECT_TRUE(tables_.status().ok());
}

TEST_F(PageTablesTest, MappingTwiceFails) {
  tables_.Map(0x1000, 0x3000, {});
  tables_.Map(0x2000, 0x4000, {.writable = true});
  ASSERT_FALSE(tables_.status().ok());
  EXPECT_THAT(tables_.status().error().detail, HasSubstr("mapped twice at 0x2000"));
  EXPECT_FALSE(Walk(0x2000)->writable());
}

TEST_F(PageTablesTest, SmallPageWithinAHugeOneFails) {
  tables_.Map(0x400000, 0x600000, {});
  tables_.Map(0x401000, 0x402000, {});
  EXPECT_FALSE(tables_.status().ok());
}

TEST_F(PageTablesTest, HugePageOverSmallOnesFails) {
  tables_.Map(0x401000, 0x402000, {});
  tables_.Map(0x400000, 0x600000, {});
  EXPECT_FALSE(tables_.status().ok());
}

TEST_F(PageTablesTest, RunningOutOfRoomFails) {
  PageTables tables(memory_, kTables, kTables + 0x3000);
  tables.Map(0x1000, 0x2000, {});
  ASSERT_FALSE(tables.status().ok());
  EXPECT_THAT(tables.status().error().detail, HasSubstr("no room"));
  EXPECT_LE(tables.used_end(), kTables + 0x3000);
}

}  // namespace
}  // namespace hotcell::worker
