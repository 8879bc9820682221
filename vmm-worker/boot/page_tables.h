// Four-level x86-64 page tables of a guest, built in its RAM. Intel SDM volume 3, 4.5.
//
//   PageTables tables(memory, 0x40000, 0x200000);
//   tables.Map(0x200000, 0x280000, {.user = true, .executable = true});
//   if (!tables.status().ok()) ...
//   sregs.cr3 = tables.root();
#ifndef HOTCELL_VMM_WORKER_BOOT_PAGE_TABLES_H_
#define HOTCELL_VMM_WORKER_BOOT_PAGE_TABLES_H_

#include <cstdint>

#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

struct PageAccess {
  bool user = false;  // CPL 3; otherwise CPL 0 to 2 only
  bool writable = false;
  bool executable = false;
};

class PageTables {
 public:
  // Tables take pages from [begin, end) of `memory`, which is zero; the root is the first one.
  PageTables(GuestMemory& memory, uint64_t begin, uint64_t end)
      : memory_(memory), root_(begin), next_(begin + kTableSize), end_(end) {}

  // Maps [begin, end) to itself, with 2 MiB pages where both sides allow. Bounds are multiples of
  // the page size. Accessed and dirty bits are set, so that the processor never writes a table.
  // The first failure is remembered: mapping what is mapped, or running out of pages.
  void Map(uint64_t begin, uint64_t end, PageAccess access);

  // The first failure, if there was one.
  const Status& status() const { return status_; }
  uint64_t root() const { return root_; }
  // First address after the tables.
  uint64_t used_end() const { return next_; }

 private:
  static constexpr uint64_t kTableSize = 4096;

  // The address of the entry for `address` at `level` (1: 4 KiB pages, 2: 2 MiB), or 0.
  uint64_t FindEntry(uint64_t address, int level);
  void SetLeaf(uint64_t address, int level, PageAccess access);
  void Fail(const char* detail, uint64_t address);

  GuestMemory& memory_;
  uint64_t root_;
  uint64_t next_;
  uint64_t end_;
  Status status_;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_BOOT_PAGE_TABLES_H_
