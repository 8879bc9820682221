#include "vmm-worker/boot/page_tables.h"

#include <span>

#include "base/text.h"

namespace hotcell::worker {
namespace {

constexpr uint64_t kPresent = 1ull << 0;
constexpr uint64_t kWritable = 1ull << 1;
constexpr uint64_t kUser = 1ull << 2;
constexpr uint64_t kAccessed = 1ull << 5;
constexpr uint64_t kDirty = 1ull << 6;
constexpr uint64_t kLargePage = 1ull << 7;
constexpr uint64_t kNoExecute = 1ull << 63;
constexpr uint64_t kAddressMask = 0x000f'ffff'ffff'f000;

constexpr int kRootLevel = 4;
constexpr uint64_t kSmallPageSize = 4096;
constexpr uint64_t kLargePageSize = 2 << 20;

constexpr uint64_t IndexAt(uint64_t address, int level) {
  return (address >> (12 + 9 * (level - 1))) & 511;
}

}  // namespace

void PageTables::Fail(const char* detail, uint64_t address) {
  if (status_.ok())
    status_ = Error{v1::STEP_MAKE_PAGE_TABLES, 0, StrCat(detail, " at ", Hex(address))};
}

uint64_t PageTables::FindEntry(uint64_t address, int level) {
  uint64_t table = root_;
  for (int at = kRootLevel; at > level; --at) {
    const uint64_t entry_address = table + IndexAt(address, at) * sizeof(uint64_t);
    uint64_t entry = 0;
    memory_.Read(entry_address, std::as_writable_bytes(std::span(&entry, 1)));
    if ((entry & kPresent) == 0) {
      if (next_ + kTableSize > end_) {
        Fail("no room for another page table", address);
        return 0;
      }
      // Permissions are the leaf's; a table above it allows everything.
      entry = next_ | kPresent | kWritable | kUser | kAccessed;
      next_ += kTableSize;
      memory_.WriteObject(entry_address, entry);
    } else if ((entry & kLargePage) != 0) {
      Fail("mapped twice", address);
      return 0;
    }
    table = entry & kAddressMask;
  }
  return table + IndexAt(address, level) * sizeof(uint64_t);
}

void PageTables::SetLeaf(uint64_t address, int level, PageAccess access) {
  const uint64_t entry_address = FindEntry(address, level);
  if (entry_address == 0) return;
  uint64_t entry = 0;
  memory_.Read(entry_address, std::as_writable_bytes(std::span(&entry, 1)));
  if (entry != 0) {
    Fail("mapped twice", address);
    return;
  }
  entry = address | kPresent | kAccessed | kDirty;
  if (level > 1) entry |= kLargePage;
  if (access.user) entry |= kUser;
  if (access.writable) entry |= kWritable;
  if (!access.executable) entry |= kNoExecute;
  memory_.WriteObject(entry_address, entry);
}

void PageTables::Map(uint64_t begin, uint64_t end, PageAccess access) {
  for (uint64_t at = begin; at < end && status_.ok();) {
    const bool large = at % kLargePageSize == 0 && end - at >= kLargePageSize;
    SetLeaf(at, large ? 2 : 1, access);
    at += large ? kLargePageSize : kSmallPageSize;
  }
}

}  // namespace hotcell::worker
